//! Parts of the kinds that carry WebAssembly modules.

use crate::parts::port;
use crate::scalar::{text, word};
use crate::schema::{Schema, list, object};

/// Traffic that a filter sees.
pub(crate) fn traffic_selector() -> Schema {
    object()
        .field(
            "mode",
            "Direction, as the workload sees it.",
            word(["UNDEFINED", "CLIENT", "SERVER", "CLIENT_AND_SERVER"]),
        )
        .field(
            "ports",
            "Ports of the destination; all if empty.",
            list(port::port_number_entry()).keyed_by("number"),
        )
}

/// The machine that a module runs in.
pub(crate) fn virtual_machine() -> Schema {
    object().field(
        "env",
        "Environment variables of the module.",
        list(
            object()
                .required("name", "Name; unique in the list.", text().min_length(1).max_length(256))
                .field("value", "Value, if it stands here.", text().max_length(2048))
                .field(
                    "valueFrom",
                    "Where the value comes from: INLINE, from `value`; HOST, from the proxy's \
                 environment.",
                    word(["INLINE", "HOST"]),
                )
                .rule(
                    r#"(has(self.valueFrom) ? self.valueFrom : "") != "HOST" || !has(self.value)"#,
                    "value may only be set when valueFrom is INLINE",
                ),
        )
        .max_items(256)
        .keyed_by("name"),
    )
}
