//! The one place that says where the messages come from.

pub(crate) use weft_proto::{envoy, google};
