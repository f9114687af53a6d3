//! A pod with its sidecar.

use serde_json::{Map, Value as Json, json};

use crate::container::{PROXY, container};
use crate::decision::{Decision, Reason, decide};
use crate::environment::{interception, proxy_config, variables};
use crate::merge::{list, merge, object};
use crate::owner::Owner;
use crate::probes::rewrite;
use crate::redirection::{self, VALIDATION};
use crate::settings::{InjectError, Injector, plain};
use crate::volumes::volumes;

/// What tells that a pod has been injected (AN-06).
const STATUS: &str = "sidecar.istio.io/status";
/// Port of merged metrics and rewritten probes (SD-18).
const STATUS_PORT: u16 = 15020;

/// What became of a pod.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It stays as it is.
    Left(Reason),
    /// It has a sidecar now.
    Injected(Box<Json>),
}

/// A label of a pod.
pub(crate) fn label<'a>(pod: &'a Json, name: &str) -> Option<&'a str> {
    pod.get("metadata")?.get("labels")?.get(name)?.as_str()
}

/// An annotation of a pod.
pub(crate) fn annotation<'a>(pod: &'a Json, name: &str) -> Option<&'a str> {
    pod.get("metadata")?.get("annotations")?.get(name)?.as_str()
}

pub(crate) fn is_set(pod: &Json, name: &str) -> bool {
    annotation(pod, name).is_some()
}

fn containers<'a>(pod: &'a Json, list: &str) -> impl Iterator<Item = &'a Json> {
    pod.get("spec").and_then(|spec| spec.get(list)).and_then(Json::as_array).into_iter().flatten()
}

fn is_named(of: &Json, name: &str) -> bool {
    of.get("name").and_then(Json::as_str) == Some(name)
}

/// Whether the annotation says so, and the containers it names are there: the annotation alone may be a copy.
pub(crate) fn is_injected(pod: &Json) -> bool {
    let Some(status) = annotation(pod, STATUS) else { return false };
    let Ok(status) = serde_json::from_str::<Json>(status) else { return false };
    let named = |list: &str| status.get(list).and_then(Json::as_array).cloned().unwrap_or_default();
    let all = [("containers", named("containers")), ("initContainers", named("initContainers"))];
    all.iter().any(|(_, names)| !names.is_empty())
        && all.iter().all(|(list, names)| {
            names.iter().all(|name| containers(pod, list).any(|one| one.get("name") == Some(name)))
        })
}

impl Injector {
    /// Whether a pod of that namespace gets a sidecar.
    #[must_use]
    pub fn decide(&self, pod: &Json, namespace: &str) -> Decision {
        decide(self, pod, namespace)
    }

    /// Puts a sidecar into a pod if it is to have one. `owner` is what made it, if the pod itself does not tell
    /// (a template of a Deployment).
    ///
    /// # Errors
    /// An annotation, a template or the pod itself cannot be read.
    pub fn inject(&self, pod: &Json, namespace: &str, owner: Option<&Owner>) -> Result<Outcome, InjectError> {
        if pod.pointer("/spec/containers").and_then(Json::as_array).is_none() {
            return Err(InjectError::Malformed {
                at: "spec.containers".to_owned(),
                reason: "is no list; a pod has at least one container".to_owned(),
            });
        }
        if let Decision::Leave(reason) = self.decide(pod, namespace) {
            return Ok(Outcome::Left(reason));
        }
        let owner = owner.cloned().unwrap_or_else(|| Owner::of(pod));
        Work { injector: self, namespace, owner, before: pod }.run().map(Box::new).map(Outcome::Injected)
    }
}

struct Work<'a> {
    injector: &'a Injector,
    namespace: &'a str,
    owner: Owner,
    before: &'a Json,
}

impl Work<'_> {
    fn run(&self) -> Result<Json, InjectError> {
        let mut pod = self.before.clone();
        let templates = self.templates();
        let gateway = templates.iter().any(|name| name == "gateway");
        for name in &templates {
            let custom = self.injector.config.templates.get(name);
            match (name.as_str(), custom) {
                (_, Some(text)) => merge(&mut pod, &self.plain_template(name, text)?),
                ("sidecar" | "gateway", None) => self.add_proxy(&mut pod, gateway)?,
                _ => return Err(InjectError::NoTemplate(name.clone())),
            }
        }
        self.describe(&mut pod);
        Ok(pod)
    }

    fn templates(&self) -> Vec<String> {
        if let Some(names) = annotation(self.before, "inject.istio.io/templates") {
            return names.split(',').map(|name| name.trim().to_owned()).collect();
        }
        let default = &self.injector.config.default_templates;
        if default.is_empty() { vec!["sidecar".to_owned()] } else { default.clone() }
    }

    fn plain_template(&self, name: &str, text: &str) -> Result<Json, InjectError> {
        if text.contains("{{") {
            return Err(InjectError::Actions(name.to_owned()));
        }
        serde_saphyr::from_str(text).map_err(|error| InjectError::Settings {
            key: "config",
            reason: format!("template {name:?}: {error}"),
        })
    }

    fn add_proxy(&self, pod: &mut Json, gateway: bool) -> Result<(), InjectError> {
        let injector = self.injector;
        let config = proxy_config(injector, self.before)?;
        let mode = interception(self.before, &config);
        let native = match annotation(self.before, "sidecar.istio.io/nativeSidecar") {
            Some(text) => text == "true",
            None => injector.native_sidecars,
        } && !gateway;
        let mut proxy = container(injector, self.before, &mode, gateway)?;
        let mut environment = variables(injector, self.before, self.namespace, &self.owner, &config, gateway);
        environment.extend(self.merge_metrics(pod));
        if !gateway {
            environment.extend(self.rewrite_probes(pod));
        }
        let (volumes, mounts) = volumes(injector, self.before)?;
        proxy["env"] = environment.into();
        proxy["volumeMounts"] = mounts.into();
        let hold = self.hold(&config);
        if native {
            proxy["restartPolicy"] = "Always".into();
        } else if hold && !gateway {
            proxy["lifecycle"]["postStart"] =
                json!({"exec": {"command": ["/usr/local/bin/weft-proxy", "wait"]}});
        }
        let spec = object(pod, "spec");
        let own = take(list(spec, "containers"), PROXY);
        let own_init = spec.get_mut("initContainers").and_then(Json::as_array_mut);
        let own_init = own_init.and_then(|all| take(all, PROXY));
        for mut own in own.into_iter().chain(own_init) {
            if own.get("image").and_then(Json::as_str) == Some("auto")
                && let Some(own) = own.as_object_mut()
            {
                own.remove("image");
                // The API server took `auto` for a name without a tag, which is always pulled; the image that comes
                // in its place has a tag.
                if own.get("imagePullPolicy").and_then(Json::as_str) == Some("Always") {
                    own.remove("imagePullPolicy");
                }
            }
            merge(&mut proxy, &own);
        }
        let redirects = !gateway && mode != "NONE";
        let mut first = Vec::new();
        if redirects {
            let init = redirection::container(injector, self.before, &mode, &config);
            // Rules come after the pod's own init containers, which have no proxy yet; the trial comes first.
            if native || is_named(&init, VALIDATION) {
                first.push(init);
            } else {
                list(spec, "initContainers").push(init);
            }
        }
        if native {
            first.push(proxy);
        } else if hold {
            list(spec, "containers").insert(0, proxy);
        } else {
            list(spec, "containers").push(proxy);
        }
        if !first.is_empty() {
            list(spec, "initContainers").splice(0..0, first);
        }
        let all = list(spec, "volumes");
        all.retain(|old| !volumes.iter().any(|new| new["name"] == old["name"]));
        all.extend(volumes);
        if let Some(secrets) =
            injector.part("/global/imagePullSecrets").and_then(|all| all.as_array().cloned())
        {
            let known = list(spec, "imagePullSecrets");
            for secret in secrets {
                let secret = if secret.is_string() { json!({"name": secret}) } else { secret };
                if !known.contains(&secret) {
                    known.push(secret);
                }
            }
            if known.is_empty() {
                spec.remove("imagePullSecrets");
            }
        }
        Ok(())
    }

    fn hold(&self, config: &Json) -> bool {
        let own = config.get("holdApplicationUntilProxyStarts").and_then(Json::as_bool);
        own.unwrap_or_else(|| self.injector.flag("/global/proxy/holdApplicationUntilProxyStarts", false))
    }

    /// CP-15: the pod says that its metrics are the proxy's, which asks the application.
    fn merge_metrics(&self, pod: &mut Json) -> Option<Json> {
        let of = |name: &str| annotation(self.before, &format!("prometheus.io/{name}")).map(str::to_owned);
        let wanted = self.injector.mesh.get("enablePrometheusMerge").and_then(Json::as_bool).unwrap_or(true);
        let off = annotation(self.before, "prometheus.istio.io/merge-metrics") == Some("false");
        let (scrape, path, port) = (of("scrape"), of("path"), of("port"));
        if !wanted || off || scrape.as_deref() == Some("false") {
            return None;
        }
        let own = port.as_deref() == Some("15020");
        let mut known = Map::new();
        for (name, value) in [("scrape", scrape), ("path", path), ("port", port)] {
            known.extend(value.map(|value| (name.to_owned(), Json::String(value))));
        }
        let annotations = metadata(pod, "annotations");
        for (name, value) in [("scrape", "true"), ("port", "15020"), ("path", "/stats/prometheus")] {
            annotations.insert(format!("prometheus.io/{name}"), value.into());
        }
        let text = Json::Object(known.clone()).to_string();
        (!known.is_empty() && !own).then(|| json!({"name": "ISTIO_PROMETHEUS_ANNOTATIONS", "value": text}))
    }

    fn rewrite_probes(&self, pod: &mut Json) -> Option<Json> {
        let default = self.injector.flag("/sidecarInjectorWebhook/rewriteAppHTTPProbe", true);
        let own = annotation(self.before, "sidecar.istio.io/rewriteAppHTTPProbers");
        if !own.map_or(default, |text| text == "true") {
            return None;
        }
        let mut known = Map::new();
        let spec = object(pod, "spec");
        for list in ["containers", "initContainers"] {
            for one in spec.get_mut(list).and_then(Json::as_array_mut).into_iter().flatten() {
                if !is_named(one, PROXY) {
                    rewrite(one, STATUS_PORT, &mut known);
                }
            }
        }
        let text = Json::Object(known.clone()).to_string();
        (!known.is_empty()).then(|| json!({"name": "ISTIO_KUBE_APP_PROBERS", "value": text}))
    }

    /// Labels and annotations.
    fn describe(&self, pod: &mut Json) {
        let canonical = |names: &[&str], default: &str| {
            let own = names.iter().find_map(|name| label(self.before, name));
            own.filter(|text| !text.is_empty()).unwrap_or(default).to_owned()
        };
        let service = canonical(
            &["service.istio.io/canonical-name", "app.kubernetes.io/name", "app"],
            &self.owner.name,
        );
        let revision = canonical(
            &["service.istio.io/canonical-revision", "app.kubernetes.io/version", "version"],
            "latest",
        );
        let app = containers(self.before, "containers").find(|one| !is_named(one, PROXY));
        let app = app.and_then(|one| one.get("name")).map(plain);
        let status = self.status(pod);
        let labels = metadata(pod, "labels");
        let mut set = |name: &str, value: String| {
            if !value.is_empty() {
                labels.entry(name.to_owned()).or_insert(Json::String(value));
            }
        };
        set("security.istio.io/tlsMode", "istio".to_owned());
        set("service.istio.io/canonical-name", service);
        set("service.istio.io/canonical-revision", revision);
        let annotations = metadata(pod, "annotations");
        for name in
            ["kubectl.kubernetes.io/default-container", "kubectl.kubernetes.io/default-logs-container"]
        {
            if let Some(app) = &app {
                annotations.entry(name.to_owned()).or_insert(app.clone().into());
            }
        }
        for (name, value) in &self.injector.config.injected_annotations {
            annotations.insert(name.clone(), value.clone().into());
        }
        annotations.insert("istio.io/rev".to_owned(), self.injector.revision().into());
        annotations.insert(STATUS.to_owned(), status.to_string().into());
    }

    /// What has come into the pod.
    fn status(&self, pod: &Json) -> Json {
        let names = |of: &Json, field: &str| -> Vec<String> {
            containers(of, field).filter_map(|one| one.get("name")?.as_str().map(str::to_owned)).collect()
        };
        let new = |field: &str| {
            let before = names(self.before, field);
            let added = names(pod, field);
            // The proxy counts also where the pod had a place for it.
            let added = added.into_iter().filter(|name| name == PROXY || !before.contains(name));
            added.collect::<Vec<_>>()
        };
        json!({"initContainers": new("initContainers"), "containers": new("containers"),
            "volumes": new("volumes"), "imagePullSecrets": new("imagePullSecrets"),
            "revision": self.injector.revision()})
    }
}

fn metadata<'a>(pod: &'a mut Json, field: &str) -> &'a mut Map<String, Json> {
    object(pod, "metadata");
    match pod.get_mut("metadata") {
        Some(metadata) => object(metadata, field),
        None => unreachable!("made above"),
    }
}

fn take(from: &mut Vec<Json>, name: &str) -> Option<Json> {
    let at = from.iter().position(|one| is_named(one, name))?;
    Some(from.remove(at))
}
