//! Small worlds, from YAML as it stands in a bootstrap.

use std::sync::Arc;
use std::time::Instant;

use weft_proto::envoy::config::bootstrap::v3::Bootstrap;
use weft_proto::text::parse_yaml;
use weft_simulate::{Call, Simulator, Verdict};
use weft_tables::Tables;
use weft_tables::convert::{self, NoData};
use weft_types::RequestHead;
use weft_types::random::SplitMix;

const HTTP: &str = "type.googleapis.com/envoy.extensions.filters.http";

/// A cluster with endpoints 127.0.0.1:PORT.
pub(crate) fn cluster(name: &str, ports: &[u16], fields: &str) -> String {
    let endpoint = |port: &u16| {
        format!("{{endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}}}}}")
    };
    let endpoints: Vec<String> = ports.iter().map(endpoint).collect();
    format!(
        "{{name: {name}, type: STATIC, {fields} load_assignment: {{cluster_name: {name}, endpoints: [{{lb_endpoints: [{}]}}]}}}}",
        endpoints.join(", ")
    )
}

/// A filter chain of a connection manager with these fields.
pub(crate) fn http(fields: &str) -> String {
    let router = format!("{{name: router, typed_config: {{'@type': {HTTP}.router.v3.Router}}}}");
    let fields = match fields.contains("http_filters:") {
        true => fields.replace("ROUTER", &router),
        false => format!("http_filters: [{router}], {fields}"),
    };
    network(&format!(
        "'@type': type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager,
         stat_prefix: s, {fields}"
    ))
}

/// A filter chain that ends in this network filter.
pub(crate) fn network(typed_config: &str) -> String {
    format!("filters: [{{name: f, typed_config: {{{typed_config}}}}}]")
}

/// A virtual host for every domain.
pub(crate) fn routes(list: &str) -> String {
    format!(
        "route_config: {{name: rc, validate_clusters: false, virtual_hosts: [{{name: vh, domains: ['*'], routes: [{list}]}}]}}"
    )
}

/// An HTTP filter.
pub(crate) fn filter(name: &str, message: &str, fields: &str) -> String {
    format!("{{name: {name}, typed_config: {{'@type': {HTTP}.{message}, {fields}}}}}")
}

/// A listener `main` at 192.0.2.1:8080 with these fields, and these clusters.
pub(crate) fn tables(listener: &str, clusters: &[String]) -> Arc<Tables> {
    let yaml = format!(
        "{{node: {{id: node-1, cluster: nodes}}, static_resources: {{
           listeners: [{{name: main, address: {{socket_address: {{address: 192.0.2.1, port_value: 8080}}}}, {listener}}}],
           clusters: [{}]}}}}",
        clusters.join(", ")
    );
    let proto = parse_yaml::<Bootstrap>(&yaml).accepted().unwrap_or_else(|p| panic!("{p}\n{yaml}"));
    let (tables, findings) = convert::bootstrap(&proto, &NoData);
    assert!(!findings.iter().any(weft_tables::Finding::is_refused), "{findings:#?}");
    Arc::new(tables)
}

/// A process for calls to `main`.
pub(crate) struct World {
    simulator: Simulator,
    dice: SplitMix,
    /// The time of the next call.
    pub(crate) now: Instant,
}

impl World {
    pub(crate) fn new(tables: &Arc<Tables>) -> Self {
        Self { simulator: Simulator::new(tables.clone()), dice: SplitMix::new(7), now: Instant::now() }
    }

    /// A world of one connection manager and clusters `a` (one host) and `b` (two).
    pub(crate) fn of(manager: &str) -> Self {
        let clusters = [cluster("a", &[1], ""), cluster("b", &[2, 3], "")];
        Self::new(&tables(&format!("filter_chains: [{{{}}}]", http(manager)), &clusters))
    }

    pub(crate) fn call(&mut self, call: &Call) -> Verdict {
        self.simulator.judge(call, self.now, &mut self.dice)
    }

    /// `GET /path [name: value] …`.
    pub(crate) fn get(&mut self, path: &str, fields: &[(&str, &str)]) -> Verdict {
        self.call(&get(path, fields))
    }
}

/// A plaintext GET of `x.test`.
pub(crate) fn get(path: &str, fields: &[(&str, &str)]) -> Call {
    let mut head = RequestHead::get("x.test", path);
    head.headers = fields.iter().copied().collect();
    Call::http("main", head)
}

/// One field that the client sees.
pub(crate) fn field<'a>(verdict: &'a Verdict, name: &str) -> Option<&'a str> {
    verdict.headers().and_then(|headers| headers.get_str(name))
}

/// One field that the host sees.
pub(crate) fn seen<'a>(verdict: &'a Verdict, name: &str) -> Option<&'a str> {
    verdict.seen().and_then(|head| head.headers.get_str(name))
}
