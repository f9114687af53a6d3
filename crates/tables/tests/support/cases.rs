//! The table `verdicts.yaml`: one change to a good bootstrap each, and what becomes of it.

use serde::Deserialize;
use serde_json::{Map, Value, json};

/// A row of the table.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    /// What the row is about.
    pub(crate) name: String,
    /// Where the change is made, a name of [`place`].
    pub(crate) at: String,
    /// Fields to set there; null removes one.
    pub(crate) merge: Value,
    /// Whether Envoy 1.40 takes the bootstrap.
    pub(crate) envoy: Verdict,
    /// What Weft says, when it is not what Envoy says by the same word.
    pub(crate) weft: Weft,
    /// The entry of docs/differences.md, where the verdicts differ.
    #[serde(default)]
    pub(crate) differs: Option<String>,
}

/// Whether a bootstrap is taken.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Verdict {
    Accepts,
    Refuses,
}

/// What Weft says.
#[derive(Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Weft {
    /// Takes it, without a word.
    Accepts,
    /// Takes it, and notes these paths.
    Ignores(Vec<String>),
    /// Refuses the resource because of these paths.
    Refuses(Vec<String>),
}

/// All rows.
pub(crate) fn cases() -> Vec<Case> {
    serde_saphyr::from_str(include_str!("../verdicts.yaml")).expect("verdicts.yaml")
}

/// The bootstrap that all rows start from; it is free of findings.
pub(crate) fn base() -> Value {
    json!({"static_resources": {
        "listeners": [listener("l")],
        "clusters": [cluster("a")],
    }})
}

/// A listener without findings.
pub(crate) fn listener(name: &str) -> Value {
    json!({
        "name": name,
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}},
        "filter_chains": [{"filters": [{"name": "hcm", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": "x",
            "http_filters": [router()],
            "route_config": {"virtual_hosts": [{"name": "v", "domains": ["*"], "routes": [
                {"match": {"prefix": "/"}, "route": {"cluster": "a"}},
            ]}]},
        }}]}],
    })
}

/// A cluster without findings.
pub(crate) fn cluster(name: &str) -> Value {
    json!({
        "name": name,
        "type": "STATIC",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [
            {"endpoint": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 1}}}},
        ]}]},
    })
}

fn router() -> Value {
    json!({"name": "router", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}})
}

const LISTENER: &str = "/static_resources/listeners/0";
const CLUSTER: &str = "/static_resources/clusters/0";
const HCM: &str = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config";

impl Case {
    /// The changed bootstrap.
    pub(crate) fn bootstrap(&self) -> Value {
        let mut root = base();
        let change = |pointer: String, root: &mut Value| {
            let place = root.pointer_mut(&pointer).and_then(Value::as_object_mut).expect("a place");
            merge(place, self.merge.as_object().expect("an object"));
        };
        match self.at.as_str() {
            "bootstrap" => change(String::new(), &mut root),
            "listener" => change(LISTENER.to_owned(), &mut root),
            "chain" => change(format!("{LISTENER}/filter_chains/0"), &mut root),
            "hcm" => change(HCM.to_owned(), &mut root),
            "routes" => change(format!("{HCM}/route_config"), &mut root),
            "host" => change(format!("{HCM}/route_config/virtual_hosts/0"), &mut root),
            "route" => change(format!("{HCM}/route_config/virtual_hosts/0/routes/0"), &mut root),
            "action" => change(format!("{HCM}/route_config/virtual_hosts/0/routes/0/route"), &mut root),
            "cluster" => change(CLUSTER.to_owned(), &mut root),
            "filter" => {
                set(
                    &mut root,
                    &format!("{HCM}/http_filters"),
                    json!([
                        {"name": "tested", "typed_config": self.merge}, router(),
                    ]),
                );
            }
            "network_filter" => {
                set(
                    &mut root,
                    &format!("{LISTENER}/filter_chains/0/filters"),
                    json!([
                        {"name": "tested", "typed_config": self.merge},
                    ]),
                );
            }
            "log" => add(
                &mut root,
                HCM,
                "access_log",
                json!([{"name": "log", "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
                    "path": "/dev/null",
                    "log_format": self.merge,
                }}]),
            ),
            "upstream_tls" => {
                let mut context = self.merge.clone();
                add(
                    &mut context,
                    "",
                    "@type",
                    json!("type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext"),
                );
                add(&mut root, CLUSTER, "transport_socket", json!({"name": "tls", "typed_config": context}));
            }
            "upstream_http" => {
                let name = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
                let mut options = self.merge.clone();
                add(&mut options, "", "@type", json!(format!("type.googleapis.com/{name}")));
                add(&mut root, CLUSTER, "typed_extension_protocol_options", json!({name: options}));
            }
            other => panic!("{}: no place {other:?}", self.name),
        }
        root
    }
}

fn set(root: &mut Value, pointer: &str, value: Value) {
    *root.pointer_mut(pointer).expect("a place") = value;
}

fn add(root: &mut Value, pointer: &str, name: &str, value: Value) {
    let place = root.pointer_mut(pointer).and_then(Value::as_object_mut).expect("an object");
    place.insert(name.to_owned(), value);
}

fn merge(place: &mut Map<String, Value>, change: &Map<String, Value>) {
    for (name, value) in change {
        if value.is_null() {
            place.remove(name);
        } else {
            place.insert(name.clone(), value.clone());
        }
    }
}
