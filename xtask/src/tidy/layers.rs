//! Which crate stands on which layer, and that dependencies never point up.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Layers from the bottom: words, pure cores, edges to the world, composition, programs, and what is
/// for development only.
const LAYERS: [&[&str]; 6] = [
    &["weft-types", "weft-match", "weft-proto", "weft-api", "weft-crd"],
    &[
        "weft-codec",
        "weft-tables",
        "weft-route",
        "weft-balance",
        "weft-state",
        "weft-filter",
        "weft-simulate",
        "weft-validate",
        "weft-model",
        "weft-compile",
        "weft-inject",
        "weft-redirect",
        "weft-ca",
    ],
    &[
        "weft-net",
        "weft-tls",
        "weft-http",
        "weft-telemetry",
        "weft-source",
        "weft-xds",
        "weft-kube-source",
        "weft-ca-store",
        "weft-ca-service",
        "weft-dns",
    ],
    &["weft-agent", "weft-proxy", "weft-node", "weft-control", "weft-console"],
    &["weftd", "weft", "weft-cli", "weft-cni", "weft-bookinfo"],
    &["weft-lab", "xtask"],
];

/// Layers of crates that open no socket, read no clock and roll no dice.
pub(super) const PURE: usize = 2;

/// Third-party crates that do I/O, and that pure crates reach only through this one.
const IO: [&str; 3] = ["tokio", "hyper", "h2"];
const THROUGH: &str = "envoy-types";

/// The two planes, which meet in messages alone (invariant 10): neither depends on the other. Whoever stands in
/// none of them (messages, TLS, streams of discovery …) serves both.
const PLANES: [&[&str]; 2] = [
    &[
        "weft-api",
        "weft-source",
        "weft-kube-source",
        "weft-model",
        "weft-compile",
        "weft-control",
        "weft-ca-store",
    ],
    &[
        "weft-codec",
        "weft-route",
        "weft-balance",
        "weft-state",
        "weft-filter",
        "weft-http",
        "weft-telemetry",
        "weft-proxy",
    ],
];

fn plane(name: &str) -> Option<usize> {
    PLANES.iter().position(|plane| plane.contains(&name))
}

/// The layer of a crate.
pub(super) fn layer(name: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&name))
}

/// Checks the dependency graph of `cargo metadata`.
pub(super) fn check(metadata: &Value) -> Vec<String> {
    let graph = Graph::read(metadata);
    let mut faults = Vec::new();
    for (name, id) in &graph.members {
        let Some(own) = layer(name) else {
            faults.push(format!("{name}: stands on no layer; add it to xtask/src/tidy/layers.rs"));
            continue;
        };
        for dependency in graph.dependencies(id) {
            if let (Some(own), Some(theirs)) = (plane(name), plane(graph.name(dependency)))
                && own != theirs
            {
                faults.push(format!("{name} depends on {}, of the other plane", graph.name(dependency)));
            }
            if let Some(theirs) = layer(graph.name(dependency))
                && theirs > own
            {
                faults.push(format!(
                    "{name} (layer {own}) depends on {} (layer {theirs})",
                    graph.name(dependency)
                ));
            }
        }
        if own < PURE {
            faults.extend(
                graph.way_to_io(id).map(|way| format!("{name} is pure but reaches I/O: {}", way.join(" → "))),
            );
        }
    }
    faults
}

/// Normal and build dependencies, by package ID.
struct Graph<'a> {
    members: BTreeMap<&'a str, &'a str>,
    names: BTreeMap<&'a str, &'a str>,
    edges: BTreeMap<&'a str, Vec<&'a str>>,
}

impl<'a> Graph<'a> {
    fn read(metadata: &'a Value) -> Self {
        let list = |value: &'a Value| value.as_array().map_or(&[][..], Vec::as_slice);
        let text = |value: &'a Value| value.as_str().unwrap_or_default();
        let names: BTreeMap<_, _> = list(&metadata["packages"])
            .iter()
            .map(|package| (text(&package["id"]), text(&package["name"])))
            .collect();
        let members = list(&metadata["workspace_members"]).iter().map(text);
        let members = members.map(|id| (names.get(id).copied().unwrap_or_default(), id)).collect();
        let mut edges = BTreeMap::new();
        for node in list(&metadata["resolve"]["nodes"]) {
            let shipped = |dependency: &&'a Value| {
                list(&dependency["dep_kinds"]).iter().any(|kind| kind["kind"] != "dev")
            };
            let to = list(&node["deps"]).iter().filter(shipped).map(|dependency| text(&dependency["pkg"]));
            edges.insert(text(&node["id"]), to.collect());
        }
        Graph { members, names, edges }
    }

    fn name(&self, id: &str) -> &'a str {
        self.names.get(id).copied().unwrap_or_default()
    }

    fn dependencies(&self, id: &str) -> &[&'a str] {
        self.edges.get(id).map_or(&[], Vec::as_slice)
    }

    /// The names on a way from a crate to one that does I/O, if there is a way around the gate.
    fn way_to_io(&self, from: &'a str) -> Option<Vec<&'a str>> {
        let mut seen = BTreeSet::from([from]);
        let mut ways = vec![vec![from]];
        while let Some(way) = ways.pop() {
            let last = way.last().copied().unwrap_or(from);
            for next in self.dependencies(last) {
                let mut way = way.clone();
                way.push(next);
                if IO.contains(&self.name(next)) {
                    return Some(way.into_iter().map(|id| self.name(id)).collect());
                }
                if self.name(next) != THROUGH && seen.insert(next) {
                    ways.push(way);
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn metadata(edges: &[(&str, &str, &str)]) -> Value {
        let names: BTreeSet<&str> = edges.iter().flat_map(|(from, to, _)| [*from, *to]).collect();
        let node = |name: &&str| {
            let deps: Vec<Value> = edges
                .iter()
                .filter(|(from, _, _)| from == name)
                .map(|(_, to, kind)| {
                    let kind = if kind.is_empty() { Value::Null } else { json!(kind) };
                    json!({"pkg": to, "dep_kinds": [{"kind": kind}]})
                })
                .collect();
            json!({"id": name, "deps": deps})
        };
        json!({
            "packages": names.iter().map(|name| json!({"id": name, "name": name})).collect::<Vec<_>>(),
            "workspace_members": names.iter().filter(|name| name.starts_with("weft")).collect::<Vec<_>>(),
            "resolve": {"nodes": names.iter().map(node).collect::<Vec<_>>()},
        })
    }

    #[test]
    fn pointing_down_is_fine_and_pointing_up_is_not() {
        assert!(check(&metadata(&[("weft-proxy", "weft-net", "")])).is_empty());
        let faults = check(&metadata(&[("weft-types", "weft-net", "")]));
        assert!(
            faults.iter().any(|fault| fault.contains("weft-types (layer 0) depends on weft-net")),
            "{faults:?}"
        );
    }

    #[test]
    fn dev_dependencies_may_point_anywhere() {
        let faults = check(&metadata(&[("weft-proxy", "weft-model", "")]));
        assert!(faults.iter().any(|fault| fault.contains("of the other plane")), "{faults:?}");
        assert!(check(&metadata(&[("weft-types", "weft-net", "dev")])).is_empty());
    }

    #[test]
    fn pure_crates_reach_io_only_through_the_gate() {
        let through =
            [("weft-proto", "envoy-types", ""), ("envoy-types", "tonic", ""), ("tonic", "tokio", "")];
        assert!(check(&metadata(&through)).is_empty());
        let around = [("weft-route", "x", ""), ("x", "tokio", "")];
        assert_eq!(check(&metadata(&around)), ["weft-route is pure but reaches I/O: weft-route → x → tokio"]);
    }

    #[test]
    fn a_crate_without_a_layer_is_a_fault() {
        assert_eq!(check(&metadata(&[("weft-new", "x", "")])).len(), 1);
    }
}
