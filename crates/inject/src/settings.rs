//! What the ConfigMap says: key `config` (which pods) and key `values` (what they get).

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value as Json, json};

/// Why a pod cannot be injected, or settings not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InjectError {
    /// A part of the settings cannot be read.
    #[error("ConfigMap istio-sidecar-injector, key {key}: {reason}")]
    Settings {
        /// Key.
        key: &'static str,
        /// Why.
        reason: String,
    },
    /// An annotation cannot be read.
    #[error("annotation {name}: {value:?}: {reason}")]
    Annotation {
        /// Annotation.
        name: String,
        /// What it says.
        value: String,
        /// Why not.
        reason: String,
    },
    /// A template that is not there.
    #[error(
        "template {0:?}: there are sidecar, gateway and those of the chart's sidecarInjectorWebhook.templates"
    )]
    NoTemplate(String),
    /// A template with actions, which are not carried out here.
    #[error("template {0:?} has actions ({{{{ … }}}}); only plain YAML is merged")]
    Actions(String),
    /// Something that should be a pod is none.
    #[error("{at}: {reason}")]
    Malformed {
        /// Where.
        at: String,
        /// Why.
        reason: String,
    },
}

/// Key `config`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Config {
    pub(crate) policy: String,
    pub(crate) always_inject_selector: Vec<Json>,
    pub(crate) never_inject_selector: Vec<Json>,
    pub(crate) injected_annotations: BTreeMap<String, String>,
    pub(crate) default_templates: Vec<String>,
    pub(crate) templates: BTreeMap<String, String>,
}

/// Puts sidecars into pods.
#[derive(Clone, Debug)]
pub struct Injector {
    pub(crate) config: Config,
    pub(crate) values: Json,
    /// The mesh's configuration (MeshConfig); begins as `values` has it, and may be set to what is in force.
    pub mesh: Json,
    /// Whether sidecars are init containers that stay, where the pod does not say it (AN-30); Kubernetes has them
    /// since 1.29. Default true.
    pub native_sidecars: bool,
    /// Variables that each proxy gets, in place of those of the same names: what the caller of the webhook says in
    /// its path (CP-10). Default empty.
    pub variables: BTreeMap<String, String>,
}

impl Injector {
    /// Reads both keys of the ConfigMap.
    ///
    /// # Errors
    /// One of them cannot be read.
    pub fn new(config: &str, values: &str) -> Result<Self, InjectError> {
        let refused = |key, reason: String| InjectError::Settings { key, reason };
        let config: Config =
            serde_saphyr::from_str(config).map_err(|error| refused("config", error.to_string()))?;
        let values: Json =
            serde_json::from_str(values).map_err(|error| refused("values", error.to_string()))?;
        if !values.is_object() {
            return Err(refused("values", "is no object".to_owned()));
        }
        let mesh = values.get("meshConfig").cloned().unwrap_or_else(|| json!({}));
        Ok(Self { config, values, mesh, native_sidecars: true, variables: BTreeMap::new() })
    }

    /// The same with these variables for each proxy.
    #[must_use]
    pub fn with_variables(&self, variables: BTreeMap<String, String>) -> Self {
        Self { variables, ..self.clone() }
    }

    /// Sets the mesh's configuration, YAML as in ConfigMap `istio`, key `mesh`; it replaces what `values` has.
    ///
    /// # Errors
    /// It is no YAML object.
    pub fn set_mesh(&mut self, text: &str) -> Result<(), InjectError> {
        let malformed = |reason: String| InjectError::Malformed { at: "mesh".to_owned(), reason };
        let mesh: Json = serde_saphyr::from_str(text).map_err(|error| malformed(error.to_string()))?;
        if !mesh.is_object() {
            return Err(malformed("is no MeshConfig".to_owned()));
        }
        self.mesh = mesh;
        Ok(())
    }

    /// A value as text by its path, such as `/global/proxy/image`; what is not there is empty.
    pub(crate) fn text(&self, path: &str) -> String {
        plain(self.values.pointer(path).unwrap_or(&Json::Null))
    }

    pub(crate) fn text_or(&self, path: &str, default: &str) -> String {
        let text = self.text(path);
        if text.is_empty() { default.to_owned() } else { text }
    }

    pub(crate) fn flag(&self, path: &str, default: bool) -> bool {
        self.values.pointer(path).and_then(Json::as_bool).unwrap_or(default)
    }

    /// A part that is there and not empty.
    pub(crate) fn part(&self, path: &str) -> Option<Json> {
        let part = self.values.pointer(path)?;
        let empty = part.as_object().is_some_and(serde_json::Map::is_empty) || part.is_null();
        (!empty).then(|| part.clone())
    }

    /// Revision of this control plane; `default` has no name.
    pub(crate) fn revision(&self) -> String {
        self.text_or("/revision", "default")
    }
}

/// Scalars as text.
pub(crate) fn plain(value: &Json) -> String {
    match value {
        Json::Null => String::new(),
        Json::String(text) => text.clone(),
        other => other.to_string(),
    }
}
