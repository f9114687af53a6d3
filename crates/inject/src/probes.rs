//! Probes of the application by way of the proxy, which knows the mesh's TLS and the kubelet does not. Source: CP-14.

use serde_json::{Map, Value as Json, json};

/// Kinds of probes, and what their path ends in.
const PROBES: [(&str, &str); 3] =
    [("livenessProbe", "livez"), ("readinessProbe", "readyz"), ("startupProbe", "startupz")];
/// Kinds of hooks, and what their path ends in.
const HOOKS: [(&str, &str); 2] = [("preStop", "prestopz"), ("postStart", "poststartz")];

/// Rewrites the probes of a container, and notes in `known` what they were.
pub(crate) fn rewrite(container: &mut Json, status: u16, known: &mut Map<String, Json>) {
    let name = container.get("name").and_then(Json::as_str).unwrap_or_default().to_owned();
    let ports = container.get("ports").cloned().unwrap_or(Json::Null);
    for (kind, end) in PROBES {
        let Some(probe) = container.get_mut(kind).and_then(Json::as_object_mut) else { continue };
        let path = format!("/app-health/{name}/{end}");
        if let Some(mut was) = take(probe, &ports, status, &["httpGet", "tcpSocket", "grpc"]) {
            if let Some(time) = probe.get("timeoutSeconds") {
                was["timeoutSeconds"] = time.clone();
            }
            probe.insert("httpGet".to_owned(), json!({"path": path, "port": status}));
            known.insert(path, was);
        }
    }
    for (kind, end) in HOOKS {
        let hook = container.get_mut("lifecycle").and_then(|all| all.get_mut(kind));
        let Some(hook) = hook.and_then(Json::as_object_mut) else { continue };
        let path = format!("/app-lifecycle/{name}/{end}");
        if let Some(was) = take(hook, &ports, status, &["httpGet", "tcpSocket"]) {
            hook.insert("httpGet".to_owned(), json!({"path": path, "port": status}));
            known.insert(path, was);
        }
    }
}

/// Takes the handler out, its port as a number; one that cannot be found, or is the proxy's already, stays.
fn take(of: &mut Map<String, Json>, ports: &Json, status: u16, kinds: &[&str]) -> Option<Json> {
    let kind = kinds.iter().find(|kind| of.contains_key(**kind))?;
    let mut handler = of.get(*kind)?.clone();
    let port = number(handler.get("port")?, ports)?;
    if port == u64::from(status) {
        return None;
    }
    handler["port"] = port.into();
    of.remove(*kind);
    Some(json!({ *kind: handler }))
}

fn number(port: &Json, ports: &Json) -> Option<u64> {
    if let Some(number) = port.as_u64() {
        return Some(number);
    }
    let name = port.as_str()?;
    let named = |entry: &&Json| entry.get("name").and_then(Json::as_str) == Some(name);
    let found = ports.as_array().into_iter().flatten().find(named);
    found.and_then(|entry| entry.get("containerPort")?.as_u64()).or_else(|| name.parse().ok())
}
