//! Ports by their number.

use crate::scalar::{integer, uint32};
use crate::schema::{Schema, object};

/// A port of a list.
pub(crate) fn port_number_entry() -> Schema {
    object().required("number", "Number.", integer().minimum(1).maximum(65535))
}

/// A port by its number.
pub(crate) fn selector() -> Schema {
    object().field("number", "Number.", uint32())
}
