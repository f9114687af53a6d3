//! One object of the API server, read as a file's document would be.

use std::sync::Arc;

use kube::api::DynamicObject;
use weft_api::{Diagnostic, Object, Places, decode};

use crate::kinds::Watched;
use crate::trim::document;

/// Namespace (empty if it has none) and name, within a kind.
pub(crate) type Key = (String, String);

/// What an object gave.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) key: Key,
    /// `metadata.generation`.
    pub(crate) generation: i64,
    /// The object; `None` if it is broken, or of a kind that has no effect.
    pub(crate) object: Option<Arc<Object>>,
    pub(crate) diagnostics: Vec<Diagnostic>,
}

/// Which object it is.
pub(crate) fn key(object: &DynamicObject) -> Key {
    let metadata = &object.metadata;
    (metadata.namespace.clone().unwrap_or_default(), metadata.name.clone().unwrap_or_default())
}

/// Reads it. Diagnostics name no file and no line: there is none that a user could open.
pub(crate) fn read(watched: &Watched, object: DynamicObject) -> Seen {
    let key = key(&object);
    let generation = object.metadata.generation.unwrap_or_default();
    let text = document(watched, object).to_string();
    let mut seen = Seen { key, generation, object: None, diagnostics: Vec::new() };
    for decoded in decode(&text, "") {
        seen.diagnostics.extend(decoded.diagnostics.into_iter().map(|diagnostic| Diagnostic {
            line: 0,
            column: 0,
            ..diagnostic
        }));
        seen.object = decoded.object.map(|mut object| {
            object.source.line = 0;
            object.source.places = Places::default();
            Arc::new(object)
        });
    }
    // Of a kind without effect the document does not say which object it is.
    for diagnostic in seen.diagnostics.iter_mut().filter(|diagnostic| diagnostic.object.is_none()) {
        let (namespace, name) = &seen.key;
        diagnostic.message = format!("{} {namespace}/{name}: {}", watched.kind, diagnostic.message);
    }
    seen
}
