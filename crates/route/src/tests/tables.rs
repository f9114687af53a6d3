//! Tables for the tests, from YAML as it stands in a configuration.

use std::sync::Arc;

use weft_proto::envoy::config::listener::v3::Listener;
use weft_proto::envoy::config::route::v3::RouteConfiguration;
use weft_proto::text::parse_yaml;
use weft_tables::chain::Terminal;
use weft_tables::convert::{self, Context, KnownNames, NoData};
use weft_tables::hcm::HttpManager;
use weft_tables::route::RouteConfig;
use weft_types::Random;

fn context() -> Context<'static> {
    Context { files: &NoData, clusters: &KnownNames::Any, secrets: &KnownNames::Any }
}

/// A route configuration of these fields.
pub(crate) fn routes(fields: &str) -> RouteConfig {
    let proto = parse_yaml::<RouteConfiguration>(&format!("{{name: rc, {fields}}}")).accepted().unwrap();
    convert::route_config(&proto, &context()).unwrap().0
}

/// A route configuration of one host with these routes.
pub(crate) fn host_of(routes_yaml: &str) -> RouteConfig {
    routes(&format!("virtual_hosts: [{{name: vh, domains: ['*'], routes: [{routes_yaml}]}}]"))
}

/// A connection manager of these fields.
pub(crate) fn manager(fields: &str) -> Arc<HttpManager> {
    let yaml = format!(
        "{{name: l, address: {{socket_address: {{address: 127.0.0.1, port_value: 1}}}}, filter_chains: [{{filters: [
          {{name: hcm, typed_config: {{
            '@type': type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager,
            stat_prefix: s, route_config: {{name: rc, virtual_hosts: []}},
            http_filters: [{{name: router, typed_config: {{
              '@type': type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}}}],
            {fields}}}}}]}}]}}"
    );
    let proto = parse_yaml::<Listener>(&yaml).accepted().unwrap();
    let (listener, _) = convert::listener(&proto, &context()).unwrap();
    match &listener.chains.chains[0].1.terminal {
        Terminal::Http(manager) => manager.clone(),
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
