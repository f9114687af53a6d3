//! Chains for the tests, from YAML as it stands in a configuration.

use std::sync::Arc;
use std::time::Instant;

use weft_proto::envoy::config::listener::v3::Listener;
use weft_proto::text::parse_yaml;
use weft_route::{Decision, RequestFacts, decide};
use weft_tables::chain::Terminal;
use weft_tables::convert::{self, KnownNames, NoData};
use weft_tables::hcm::{HttpManager, RouteSource};
use weft_types::{Random, RequestHead};

use crate::seam::{Context, Flow, LocalReply, OpenFilters};
use crate::{Chain, chain};

/// Prefix of the type URLs of HTTP filters.
const TYPES: &str = "type.googleapis.com/envoy.extensions.filters.http";

/// A filter of that name with the fields of a message below `envoy.extensions.filters.http`.
pub(crate) fn filter(name: &str, message: &str, fields: &str) -> String {
    format!("{{name: {name}, typed_config: {{'@type': {TYPES}.{message}, {fields}}}}}")
}

/// Settings of a level for a filter.
pub(crate) fn per_filter(name: &str, message: &str, fields: &str) -> String {
    format!("typed_per_filter_config: {{{name}: {{'@type': {TYPES}.{message}, {fields}}}}}")
}

/// A connection manager with these filters and virtual hosts.
pub(crate) fn manager(filters: &str, route_config: &str) -> Arc<HttpManager> {
    let comma = if filters.is_empty() { "" } else { "," };
    let yaml = format!(
        "{{name: l, address: {{socket_address: {{address: 127.0.0.1, port_value: 1}}}}, filter_chains: [{{filters: [
          {{name: hcm, typed_config: {{
            '@type': type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager,
            stat_prefix: s, route_config: {{name: rc, {route_config}}},
            http_filters: [{filters}{comma} {{name: router, typed_config: {{'@type': {TYPES}.router.v3.Router}}}}]}}}}]}}]}}"
    );
    let proto = parse_yaml::<Listener>(&yaml).accepted().unwrap();
    let context = convert::Context { files: &NoData, clusters: &KnownNames::Any, secrets: &KnownNames::Any };
    let (listener, _) = convert::listener(&proto, &context).unwrap();
    match &listener.chains.chains[0].1.terminal {
        Terminal::Http(manager) => manager.clone(),
        other => panic!("{other:?}"),
    }
}

/// The chain that a request to `path` gets.
pub(crate) fn chain_of(manager: &HttpManager, path: &str) -> Chain {
    let RouteSource::Inline(routes) = &manager.routes else { panic!("inline") };
    let open = OpenFilters::default();
    match decide(routes, &get(path), &RequestFacts::default()) {
        Decision::Route(choice) => {
            let weighted = choice.weighted_cluster().map(|w| &w.per_filter[..]);
            let levels = chain::levels(weighted, &choice.route.per_filter, &choice.host.per_filter, routes);
            Chain::build(&manager.filters, &levels, &open)
        }
        _ => Chain::build(&manager.filters, &[], &open),
    }
}

/// The chain of one filter list for a request to one route (fields of `Route`).
pub(crate) fn chain(filters: &str, route: &str) -> Chain {
    let config = format!("virtual_hosts: [{{name: v, domains: ['*'], routes: [{{{route}}}]}}]");
    chain_of(&manager(filters, &config), "/")
}

/// A request.
pub(crate) fn get(path: &str) -> RequestHead {
    RequestHead::get("x.test", path)
}

/// A request to `/` with fields.
pub(crate) fn with(fields: &[(&str, &str)]) -> RequestHead {
    let mut head = get("/");
    head.headers = fields.iter().copied().collect();
    head
}

/// The context of a request to cluster `a`, now.
pub(crate) fn context() -> Context {
    Context { cluster_name: Some("a".into()), now: Some(Instant::now()), ..Context::default() }
}

/// Runs the first filter on a request; its reply, if it makes one.
pub(crate) fn reply(chain: &mut Chain, head: &mut RequestHead, cx: &mut Context) -> Option<LocalReply> {
    match chain.request(0, head, true, cx, &mut Fixed(0)) {
        Flow::Reply(reply) => Some(*reply),
        Flow::Continue => None,
        other => panic!("{other:?}"),
    }
}

/// Dice that always show one number.
pub(crate) struct Fixed(pub(crate) u64);

impl Random for Fixed {
    fn next_u64(&mut self) -> u64 {
        self.0
    }
}

/// Dice that show these numbers, the last one for ever.
pub(crate) struct Sequence(pub(crate) Vec<u64>);

impl Random for Sequence {
    fn next_u64(&mut self) -> u64 {
        if self.0.len() > 1 { self.0.remove(0) } else { self.0.first().copied().unwrap_or(0) }
    }
}

/// A cluster `a` with these fields.
pub(crate) fn cluster(fields: &str) -> Arc<weft_tables::cluster::Cluster> {
    let proto =
        parse_yaml::<weft_proto::envoy::config::cluster::v3::Cluster>(&format!("{{name: a, {fields}}}"));
    let context = convert::Context { files: &NoData, clusters: &KnownNames::Any, secrets: &KnownNames::Any };
    Arc::new(convert::cluster(&proto.accepted().unwrap(), &context).unwrap().0)
}
