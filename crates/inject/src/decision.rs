//! Whether a pod gets a sidecar. Source: CP-11.

use serde_json::Value as Json;

use crate::pod::{annotation, is_injected, label};
use crate::settings::Injector;

/// Label and annotation that ask for a sidecar or forbid it; the label wins.
const INJECT: &str = "sidecar.istio.io/inject";
/// Namespaces of the cluster itself.
const SYSTEM: [&str; 4] = ["kube-system", "kube-public", "kube-node-lease", "local-path-storage"];

/// Whether, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It gets one.
    Inject(Reason),
    /// It stays as it is.
    Leave(Reason),
}

/// What decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It shares the node's network, whose traffic is not the pod's.
    HostNetwork,
    /// Its namespace is the cluster's own.
    SystemNamespace,
    /// Its label `sidecar.istio.io/inject`.
    Label,
    /// Its annotation of the same name.
    Annotation,
    /// `neverInjectSelector`.
    Never,
    /// `alwaysInjectSelector`.
    Always,
    /// The policy, `global.proxy.autoInject`.
    Policy,
    /// It has one already.
    AlreadyInjected,
}

pub(crate) fn decide(injector: &Injector, pod: &Json, namespace: &str) -> Decision {
    if pod.pointer("/spec/hostNetwork").and_then(Json::as_bool) == Some(true) {
        return Decision::Leave(Reason::HostNetwork);
    }
    if SYSTEM.contains(&namespace) {
        return Decision::Leave(Reason::SystemNamespace);
    }
    match asked(injector, pod) {
        Decision::Inject(_) if is_injected(pod) => Decision::Leave(Reason::AlreadyInjected),
        other => other,
    }
}

fn asked(injector: &Injector, pod: &Json) -> Decision {
    let said = label(pod, INJECT).map(|text| (text, Reason::Label));
    let said = said.or_else(|| annotation(pod, INJECT).map(|text| (text, Reason::Annotation)));
    if let Some((text, reason)) = said.filter(|(text, _)| !text.is_empty()) {
        let yes = matches!(text.to_ascii_lowercase().as_str(), "true" | "yes" | "y" | "on");
        return if yes { Decision::Inject(reason) } else { Decision::Leave(reason) };
    }
    let any = |selectors: &[Json]| selectors.iter().any(|selector| selects(selector, pod));
    if any(&injector.config.never_inject_selector) {
        return Decision::Leave(Reason::Never);
    }
    if any(&injector.config.always_inject_selector) {
        return Decision::Inject(Reason::Always);
    }
    if injector.config.policy == "enabled" {
        Decision::Inject(Reason::Policy)
    } else {
        Decision::Leave(Reason::Policy)
    }
}

/// A label selector; an empty one selects nothing here, as Istio has it.
fn selects(selector: &Json, pod: &Json) -> bool {
    let labels = selector.get("matchLabels").and_then(Json::as_object);
    let expressions = selector.get("matchExpressions").and_then(Json::as_array);
    let parts = labels.map_or(0, serde_json::Map::len) + expressions.map_or(0, Vec::len);
    parts > 0
        && labels
            .into_iter()
            .flatten()
            .all(|(key, value)| label(pod, key).is_some_and(|has| Some(has) == value.as_str()))
        && expressions.into_iter().flatten().all(|expression| holds(expression, pod))
}

fn holds(expression: &Json, pod: &Json) -> bool {
    let text = |name: &str| expression.get(name).and_then(Json::as_str).unwrap_or_default();
    let has = label(pod, text("key"));
    let values = expression.get("values").and_then(Json::as_array);
    let among = has.is_some_and(|has| values.into_iter().flatten().any(|value| value.as_str() == Some(has)));
    match text("operator") {
        "In" => among,
        "NotIn" => !among,
        "Exists" => has.is_some(),
        "DoesNotExist" => has.is_none(),
        _ => false,
    }
}
