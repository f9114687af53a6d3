//! The status that all kinds have.

use crate::scalar::{int64, text, time, word};
use crate::schema::{Schema, list, object};

/// What the control plane says of an object (row CRD-18).
pub(crate) fn status() -> Schema {
    object()
        .field(
            "conditions",
            "What holds of the object now.",
            list(
                object()
                    .field("lastProbeTime", "When this was last looked at.", time())
                    .field("lastTransitionTime", "When it last changed.", time())
                    .field("message", "The reason in a sentence.", text())
                    .field("observedGeneration", "Generation of the object that this is about.", int64())
                    .field("reason", "The reason in one word.", text())
                    .field("status", "True, False or Unknown.", text())
                    .field("type", "What the condition is about.", text()),
            ),
        )
        .field("observedGeneration", "Generation of the object that all of this is about.", int64())
        .field(
            "validationMessages",
            "What is wrong with the object, or could be better.",
            list(
                object()
                    .field("documentationUrl", "Page that tells more.", text())
                    .field("level", "How bad it is.", word(["UNKNOWN", "ERROR", "WARNING", "INFO"]))
                    .field(
                        "type",
                        "Which message.",
                        object().field("code", "Its code, such as IST0101.", text()).field(
                            "name",
                            "Its name.",
                            text(),
                        ),
                    ),
            ),
        )
        .open()
}
