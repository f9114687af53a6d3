//! Route configurations of sidecars: one for each port with HTTP (SD-08).

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use weft_model::service::Service;
use weft_model::{VirtualServiceView, host};
use weft_proto::envoy::config::route::v3::route::Action;
use weft_proto::envoy::config::route::v3::route_action::upgrade_config::ConnectConfig;
use weft_proto::envoy::config::route::v3::route_action::{ClusterSpecifier, UpgradeConfig};
use weft_proto::envoy::config::route::v3::route_match::{ConnectMatcher, PathSpecifier};
use weft_proto::envoy::config::route::v3::{Route, RouteAction, RouteConfiguration, RouteMatch, VirtualHost};

use super::domains::{self, Claimed};
use super::fallback;
use super::rule::{self, Audience};
use crate::cluster::name;
use crate::message::{bool_value, u32_value};
use crate::outbound::plan::RouteScope;
use crate::provenance;
use crate::view::View;

/// Longest direct response, bytes.
const MAX_DIRECT_RESPONSE: u32 = 1024 * 1024;
/// The port that a host without port means to a caller of HTTP.
const HTTP_PORT: u16 = 80;

/// The route configuration of that name.
pub(crate) fn configuration(view: &View<'_>, name: &str, scope: &RouteScope) -> RouteConfiguration {
    let mut claimed = Claimed::default();
    let mut hosts = Vec::new();
    let mut routed: BTreeSet<&str> = BTreeSet::new();
    let ruling = Ruling::new(&scope.virtual_services);
    for (service, port) in &scope.services {
        let of = ruling.of(&service.host);
        routed.extend(of.map(|(_, host)| host));
        let audience = Audience { gateways: &Audience::MESH, port: *port };
        let ruled = of.and_then(|(vs, _)| Some((vs, rule::routes(view, vs, audience)?)));
        let (mut routes, provenance) = match ruled {
            Some((vs, routes)) => (routes, provenance::of_route(&vs.object, "spec.hosts")),
            None => {
                (vec![fallback::of_service(view, service, *port)], provenance::of_route(&service.object, ""))
            }
        };
        if scope.proxy {
            routes.insert(0, connect(service, *port));
        }
        let bare = !scope.proxy || *port == HTTP_PORT;
        let mut ports = vec![*port];
        ports.extend(crate::outbound::bindable(view, *port).filter(|bound| bound != port));
        let domains = claimed.claim(domains::of_service(view, service, &ports, bare));
        hosts.push(VirtualHost {
            name: format!("{}:{port}", service.host),
            domains,
            routes,
            include_request_attempt_count: true,
            metadata: Some(provenance),
            ..Default::default()
        });
    }
    if scope.unknown_hosts {
        unregistered(view, scope, &routed, &mut claimed, &mut hosts);
    }
    hosts.retain(|host| !host.domains.is_empty());
    hosts.sort_by(|a, b| a.name.cmp(&b.name));
    if !claimed.claim(vec!["*".to_owned()]).is_empty() {
        hosts.push(fallback::any(view, !scope.proxy && !view.proxy.is_embedded()));
    }
    RouteConfiguration {
        name: name.to_owned(),
        virtual_hosts: hosts,
        validate_clusters: Some(bool_value(false)),
        max_direct_response_body_size_bytes: Some(u32_value(MAX_DIRECT_RESPONSE)),
        ..Default::default()
    }
}

/// Hosts of VirtualServices that are no services: they are routed on every port.
fn unregistered(
    view: &View<'_>,
    scope: &RouteScope,
    routed: &BTreeSet<&str>,
    claimed: &mut Claimed,
    hosts: &mut Vec<VirtualHost>,
) {
    let audience = Audience { gateways: &Audience::MESH, port: scope.port };
    for vs in &scope.virtual_services {
        for host in &vs.hosts {
            let known = routed.contains(&**host) || view.service(host).is_some();
            // A wildcard over services speaks for those, each in its own place.
            let over = host.starts_with('*') && view.services.iter().any(|s| host::covers(host, &s.host));
            if known || over {
                continue;
            }
            let Some(routes) = rule::routes(view, vs, audience) else { continue };
            let domains = claimed.claim(domains::of_host(view, host, &[scope.port], true));
            if domains.is_empty() {
                continue;
            }
            hosts.push(VirtualHost {
                name: format!("{host}:{}", scope.port),
                domains,
                routes,
                include_request_attempt_count: true,
                metadata: Some(provenance::of_route(&vs.object, "spec.hosts")),
                ..Default::default()
            });
        }
    }
}

/// The VirtualService of a host, and which of its hosts it is: the same, else the most specific wildcard.
pub(crate) fn find<'v>(
    views: &'v [Arc<VirtualServiceView>],
    host: &str,
) -> Option<(&'v Arc<VirtualServiceView>, &'v str)> {
    let mut best: Option<(&Arc<VirtualServiceView>, &str)> = None;
    for view in views {
        for candidate in view.hosts.iter().filter(|candidate| host::covers(candidate, host)) {
            if **candidate == *host {
                return Some((view, candidate));
            }
            if best.is_none_or(|(_, known)| known.len() < candidate.len()) {
                best = Some((view, candidate));
            }
        }
    }
    best
}

/// The same for those who ask for many: VirtualServices by the hosts that they name.
struct Ruling<'v> {
    exact: HashMap<&'v str, &'v Arc<VirtualServiceView>>,
    wild: Vec<(&'v str, &'v Arc<VirtualServiceView>)>,
}

impl<'v> Ruling<'v> {
    fn new(views: &'v [Arc<VirtualServiceView>]) -> Self {
        let mut made = Self { exact: HashMap::new(), wild: Vec::new() };
        for view in views {
            for host in &view.hosts {
                if host.starts_with('*') {
                    made.wild.push((host, view));
                }
                // The first that names a host has it.
                made.exact.entry(host).or_insert(view);
            }
        }
        made
    }

    fn of(&self, host: &str) -> Option<(&'v Arc<VirtualServiceView>, &'v str)> {
        if let Some((host, view)) = self.exact.get_key_value(host) {
            return Some((view, host));
        }
        let mut best: Option<(&'v Arc<VirtualServiceView>, &'v str)> = None;
        for (candidate, view) in self.wild.iter().filter(|(candidate, _)| host::covers(candidate, host)) {
            if best.is_none_or(|(_, known)| known.len() < candidate.len()) {
                best = Some((view, candidate));
            }
        }
        best
    }
}

/// A CONNECT request to a service's port becomes a connection to one of its endpoints.
fn connect(service: &Service, port: u16) -> Route {
    Route {
        name: "connect".to_owned(),
        r#match: Some(RouteMatch {
            path_specifier: Some(PathSpecifier::ConnectMatcher(ConnectMatcher {})),
            ..Default::default()
        }),
        metadata: Some(provenance::of_route(&service.object, "spec.ports")),
        action: Some(Action::Route(RouteAction {
            cluster_specifier: Some(ClusterSpecifier::Cluster(name::outbound(port, "", &service.host))),
            upgrade_configs: vec![UpgradeConfig {
                upgrade_type: "CONNECT".to_owned(),
                connect_config: Some(ConnectConfig::default()),
                ..Default::default()
            }],
            ..Default::default()
        })),
        ..Default::default()
    }
}
