//! The values that fields hold.

pub(crate) mod duration;
pub mod label;
pub(crate) mod name;
mod port;
mod scalar;
mod string_match;

pub use label::{LabelSelector, WorkloadSelector};
pub use port::{IntOrString, Port};
pub use scalar::{Bytes, Percent};
pub use string_match::StringMatch;
