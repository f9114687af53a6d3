//! `/inject`: pods in, pods with sidecars out, by the ConfigMaps as they are now. Sources: CP-10, CP-12, CP-13.
//!
//! ```text
//! ConfigMap istio-sidecar-injector (config, values) ─┐
//! ConfigMap istio (mesh) ────────────────────────────┴─► Injector, the last good one ◄── /inject/cluster/C/net/N
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;

use arc_swap::ArcSwapOption;
use serde_json::Value;
use weft_inject::{InjectError, Injector, review};
use weft_kube_source::{Client, named};

/// Most variables that a path may give.
const MAX_VARIABLES: usize = 16;
/// Longest value that a path may give, bytes.
const MAX_VALUE: usize = 256;

type Map = BTreeMap<String, String>;

/// Injects by what is in force.
#[derive(Debug)]
pub(super) struct Injection {
    native: bool,
    given: Mutex<Given>,
    injector: ArcSwapOption<Injector>,
}

/// What the ConfigMaps say now.
#[derive(Debug, Default)]
struct Given {
    injection: Option<Map>,
    mesh: Option<String>,
}

impl Injection {
    /// Nothing is injected until the ConfigMap has been read. `native`: sidecars are init containers that stay.
    pub(super) fn new(native: bool) -> Self {
        Self { native, given: Mutex::default(), injector: ArcSwapOption::empty() }
    }

    /// Follows both ConfigMaps. Runs until dropped.
    pub(super) async fn follow(&self, client: Client, namespace: &str, suffix: &str) {
        let (injection, mesh) = (format!("istio-sidecar-injector{suffix}"), format!("istio{suffix}"));
        let settings = named::follow_config_map(client.clone(), namespace, &injection, |map| {
            self.take(&format!("ConfigMap {namespace}/{injection}"), |given| given.injection = map);
        });
        let of_mesh = named::follow_config_map(client, namespace, &mesh, |map| {
            let text = map.and_then(|mut map| map.remove("mesh"));
            self.take(&format!("ConfigMap {namespace}/{mesh}"), |given| given.mesh = text);
        });
        tokio::join!(settings, of_mesh);
    }

    /// Takes what a ConfigMap says now; what cannot be read, or is gone, leaves the last in force.
    fn take(&self, what: &str, set: impl FnOnce(&mut Given)) {
        let mut given = self.given.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        set(&mut given);
        let Some(map) = &given.injection else {
            // Before the first, nothing is lost.
            if self.injector.load().is_some() {
                tracing::warn!("{what}: no settings for injection; those in force stay");
            }
            return;
        };
        match self.read(map, given.mesh.as_deref()) {
            Ok(injector) => {
                self.injector.store(Some(Arc::new(injector)));
                tracing::info!("{what}: pods are injected by it");
            }
            Err(error) => {
                let stays = match self.injector.load().is_some() {
                    true => "the settings in force stay",
                    false => "no pod is injected",
                };
                tracing::error!("{what}: {error}; {stays}");
            }
        }
    }

    fn read(&self, map: &Map, mesh: Option<&str>) -> Result<Injector, InjectError> {
        let key = |key: &'static str| {
            let missing = || InjectError::Settings { key, reason: "is not there".to_owned() };
            map.get(key).ok_or_else(missing)
        };
        let mut injector = Injector::new(key("config")?, key("values")?)?;
        injector.native_sidecars = self.native;
        if let Some(mesh) = mesh.filter(|text| !text.trim().is_empty()) {
            injector.set_mesh(mesh)?;
        }
        Ok(injector)
    }

    /// Answers a review; `path` is what follows `/inject`.
    ///
    /// # Errors
    /// The path cannot be read, or there are no settings yet.
    pub(super) fn answer(&self, path: &str, asked: &Value) -> Result<Value, String> {
        let variables = variables(path)?;
        let Some(injector) = self.injector.load_full() else {
            return Err("ConfigMap istio-sidecar-injector has not been read; see the log of weftd".to_owned());
        };
        if variables.is_empty() {
            return Ok(review::answer(&injector, asked));
        }
        // Such paths are those of webhooks of other clusters, and seldom.
        Ok(review::answer(&injector.with_variables(variables), asked))
    }
}

/// `/cluster/C/net/N` as variables of the proxy, with Istio's two names; `--slash--` in a value stands for `/`.
fn variables(path: &str) -> Result<Map, String> {
    let mut variables = Map::new();
    // Istio's other form, in which values may hold slashes.
    let separator = if path.starts_with(":ENV:") || path.starts_with("/:ENV:") { ":ENV:" } else { "/" };
    let pairs: Vec<(&str, &str)> = match separator {
        "/" => {
            let words: Vec<&str> = path.split('/').filter(|word| !word.is_empty()).collect();
            if !words.len().is_multiple_of(2) {
                return Err(format!("path /inject{path}: a name without a value"));
            }
            words.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect()
        }
        _ => {
            let words = path.trim_start_matches('/').split(":ENV:").filter(|word| !word.is_empty());
            let pair = |word| str::split_once(word, '=').ok_or(format!("path /inject{path}: no ="));
            words.map(pair).collect::<Result<_, _>>()?
        }
    };
    for (name, value) in pairs {
        let name = match name {
            "cluster" => "ISTIO_META_CLUSTER_ID".to_owned(),
            "net" => "ISTIO_META_NETWORK".to_owned(),
            other if other.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') => {
                other.to_ascii_uppercase()
            }
            other => return Err(format!("path /inject{path}: {other:?} is no name of a variable")),
        };
        if variables.len() == MAX_VARIABLES || value.len() > MAX_VALUE {
            return Err(format!("path /inject: more than {MAX_VARIABLES} values or {MAX_VALUE} bytes"));
        }
        variables.insert(name, value.replace("--slash--", "/"));
    }
    Ok(variables)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn map(config: &str, values: &str) -> Option<Map> {
        Some(Map::from([("config".to_owned(), config.to_owned()), ("values".to_owned(), values.to_owned())]))
    }

    fn injected(injection: &Injection) -> bool {
        let pod = json!({"metadata": {}, "spec": {"containers": [{"name": "a", "image": "b"}]}});
        let asked = json!({"request": {"uid": "u", "namespace": "n", "object": pod}});
        injection.answer("", &asked).unwrap()["response"].get("patch").is_some()
    }

    #[test]
    fn paths_give_variables() {
        assert!(variables("").unwrap().is_empty() && variables("/").unwrap().is_empty());
        let given = variables("/cluster/c1/net/n--slash--1/x/y").unwrap();
        let wanted = [("ISTIO_META_CLUSTER_ID", "c1"), ("ISTIO_META_NETWORK", "n/1"), ("X", "y")];
        assert_eq!(given, wanted.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
        assert_eq!(variables("/:ENV:cluster=a/b:ENV:net=n").unwrap()["ISTIO_META_CLUSTER_ID"], "a/b");
        assert!(variables("/cluster").is_err() && variables("/a-b/c").is_err());
    }

    #[test]
    fn broken_settings_leave_the_last_good_ones() {
        let injection = Injection::new(true);
        assert!(injection.answer("", &json!({})).unwrap_err().contains("has not been read"));
        let set = |map: Option<Map>| injection.take("test", |given| given.injection = map);
        set(map("policy: enabled", "{}"));
        assert!(injected(&injection));
        set(map("policy: [", "{}"));
        assert!(injected(&injection));
        set(None);
        assert!(injected(&injection));
        set(map("policy: disabled", "{}"));
        assert!(!injected(&injection));
    }
}
