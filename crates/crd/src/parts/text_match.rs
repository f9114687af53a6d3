//! Tests of texts.

use crate::scalar::text;
use crate::schema::{Schema, object};

/// A test of a text.
pub(crate) fn text_match() -> Schema {
    object()
        .field("exact", "The whole text.", text())
        .field("prefix", "What the text begins with.", text())
        .field("regex", "Regular expression (RE2) over the whole text.", text())
        .at_most_one_of(["exact", "prefix", "regex"])
}
