//! Routes of gateways: virtual hosts for a port's servers, and for the VirtualServices bound to them
//! (GW-02, GW-03, GW-10, VS-02).

use std::collections::BTreeMap;

use weft_model::host;
use weft_proto::envoy::config::core::v3::Metadata;
use weft_proto::envoy::config::route::v3::route_match::PathSpecifier;
use weft_proto::envoy::config::route::v3::virtual_host::TlsRequirementType;
use weft_proto::envoy::config::route::v3::{Route, RouteConfiguration, VirtualHost};
use weft_types::Name;

use super::rule::{self, Audience};
use crate::gateway::{RouteTable, ServerView};
use crate::message::{bool_value, u32_value};
use crate::provenance;
use crate::view::View;

/// Longest direct response, bytes.
const MAX_DIRECT_RESPONSE: u32 = 1024 * 1024;

/// The route configuration of servers that share a connection manager.
#[must_use]
pub fn gateway_routes(view: &View<'_>, table: &RouteTable) -> RouteConfiguration {
    let mut hosts: BTreeMap<Name, Host> = BTreeMap::new();
    for server in &table.servers {
        // Rules match the port that the Gateway names, wherever it is listened on.
        let port = server.server.port.number.number();
        let audience = Audience { gateways: &[&*server.gateway_name], port };
        for vs in view.snapshot.virtual_services_for_gateway(&server.gateway_name) {
            let bound = server.hosts_of(&vs);
            if bound.is_empty() || !vs.export_to.admits(&view.proxy.namespace) {
                continue;
            }
            let Some(routes) = rule::routes(view, &vs, audience) else { continue };
            for host in bound {
                let entry = hosts
                    .entry(host)
                    .or_insert_with(|| Host::new(provenance::of_route(&vs.object, "spec.hosts")));
                // Two servers may bind the same VirtualService to the same host.
                if !entry.sources.contains(&vs.object.reference) {
                    entry.sources.push(vs.object.reference.clone());
                    entry.routes.extend(routes.iter().cloned());
                }
            }
        }
    }
    for server in table.servers.iter().filter(|server| server.redirects_to_https()) {
        let names = all_names(server);
        for name in &names {
            let new = || Host::new(provenance::of_route(&server.gateway, &server.path()));
            hosts.entry(Name::from(name.as_str())).or_insert_with(new);
        }
        // Whatever host of this server a VirtualService narrows down, HTTPS is wanted there too.
        for (host, entry) in &mut hosts {
            entry.tls_only |= names.iter().any(|name| host::covers(name, host));
        }
    }
    let mut virtual_hosts: Vec<VirtualHost> =
        hosts.into_iter().map(|(host, entry)| entry.render(&host, table.port)).collect();
    if virtual_hosts.is_empty() {
        virtual_hosts.push(VirtualHost {
            name: format!("blackhole:{}", table.port),
            domains: vec!["*".to_owned()],
            ..Default::default()
        });
    }
    RouteConfiguration {
        name: table.name.clone(),
        virtual_hosts,
        validate_clusters: Some(bool_value(false)),
        ignore_port_in_host_matching: true,
        max_direct_response_body_size_bytes: Some(u32_value(MAX_DIRECT_RESPONSE)),
        ..Default::default()
    }
}

/// The hosts of a server, `*` included.
fn all_names(server: &ServerView) -> Vec<String> {
    let names = server.server_names();
    if names.is_empty() { vec!["*".to_owned()] } else { names }
}

/// A host while its routes are gathered.
struct Host {
    sources: Vec<weft_api::ObjectRef>,
    routes: Vec<Route>,
    tls_only: bool,
    provenance: Metadata,
}

impl Host {
    fn new(provenance: Metadata) -> Self {
        Self { sources: Vec::new(), routes: Vec::new(), tls_only: false, provenance }
    }

    fn render(mut self, host: &str, port: u16) -> VirtualHost {
        if self.sources.len() > 1 {
            // Where VirtualServices merge, one's catch-all must not hide another's rules (VS-04).
            self.routes.sort_by_key(takes_everything);
        }
        let tls = if self.tls_only { TlsRequirementType::All } else { TlsRequirementType::None };
        VirtualHost {
            name: format!("{host}:{port}"),
            domains: vec![host.to_owned()],
            routes: self.routes,
            require_tls: tls.into(),
            include_request_attempt_count: true,
            metadata: Some(self.provenance),
            ..Default::default()
        }
    }
}

fn takes_everything(route: &Route) -> bool {
    route.r#match.as_ref().is_none_or(|criteria| {
        let any_path = match &criteria.path_specifier {
            Some(PathSpecifier::Prefix(prefix)) => prefix == "/",
            Some(PathSpecifier::SafeRegex(regex)) => regex.regex == ".*",
            _ => false,
        };
        any_path && criteria.headers.is_empty() && criteria.query_parameters.is_empty()
    })
}
