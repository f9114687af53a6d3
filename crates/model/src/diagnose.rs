//! Diagnostics about what objects mean together.

use std::sync::Arc;

use weft_api::{Code, Diagnostic, Object, Severity};

/// A warning about a field of an object.
pub(crate) fn warning(
    object: &Arc<Object>,
    path: &str,
    code: Code,
    message: impl Into<String>,
) -> Diagnostic {
    let source = &object.source;
    Diagnostic {
        code,
        severity: Severity::Warning,
        file: source.file.clone(),
        line: source.line,
        column: 1,
        object: Some(object.reference.clone()),
        path: path.to_owned(),
        message: message.into(),
        hint: None,
    }
}
