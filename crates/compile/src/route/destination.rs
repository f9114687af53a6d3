//! Where a route's destination leads.

use weft_api::istio::load_balancer::ConsistentHash;
use weft_api::istio::traffic_policy::ClientTlsMode;
use weft_api::istio::virtual_service::Destination;
use weft_proto::envoy::config::route::v3::route_action::HashPolicy;
use weft_proto::envoy::config::route::v3::route_action::hash_policy::{
    ConnectionProperties, Cookie, CookieAttribute, Header, PolicySpecifier, QueryParameter,
};

use crate::capabilities::Flavor;
use crate::cluster::{Balancer, Policy, name};
use crate::message::duration;
use crate::view::View;

/// A destination, and what its DestinationRule means for routes to it.
#[derive(Clone, Debug)]
pub(crate) struct Target<'v> {
    /// Name of the cluster. There may be none of that name: then calls fail with 503 NC (VS-13).
    pub(crate) cluster: String,
    /// Port of the service.
    pub(crate) port: u16,
    /// Requests are spread by a hash.
    pub(crate) hash: Option<&'v ConsistentHash>,
    /// TLS toward it is not the mesh's.
    pub(crate) foreign_tls: bool,
    /// It is not a part of the mesh.
    pub(crate) external: bool,
}

impl<'v> Target<'v> {
    /// Resolves a destination whose host is in full. Without a port the only one of the service counts,
    /// or else the one on which the request came in.
    pub(crate) fn of(view: &'v View<'_>, destination: &Destination, arrived: u16) -> Self {
        let only = || match view.service(&destination.host).map(|s| s.ports.as_slice()) {
            Some([port]) => Some(port.number),
            _ => None,
        };
        let told = destination.port_number().map(weft_api::value::Port::number);
        let port = told.or_else(only).unwrap_or(arrived);
        Self::new(view, &destination.host, destination.subset.as_deref().unwrap_or_default(), port)
    }

    /// The target of a host's subset and port.
    pub(crate) fn new(view: &'v View<'_>, host: &str, subset: &str, port: u16) -> Self {
        let rule = view.rule(host).map(|rule| &*rule.spec);
        let of_subset = rule.and_then(|rule| rule.subsets.iter().find(|s| s.name == subset));
        let policy = Policy::of(rule, of_subset, port);
        let mode = policy.tls.map(|tls| tls.mode);
        Self {
            cluster: name::outbound(port, subset, host),
            port,
            hash: match Balancer::of(&policy) {
                Balancer::Hash(hash) => Some(hash),
                _ => None,
            },
            foreign_tls: matches!(mode, Some(ClientTlsMode::Simple | ClientTlsMode::Mutual)),
            external: view.service(host).is_some_and(|service| service.external),
        }
    }
}

/// What a request's hash is made from (DR-06).
pub(super) fn hash_policy(view: &View<'_>, hash: &ConsistentHash) -> Option<HashPolicy> {
    // Our proxy makes cookies without attributes, and would refuse the configuration.
    let attributes = view.proxy.capabilities.flavor != Flavor::Weft;
    let text = |text: &Option<String>| text.clone().filter(|t| !t.is_empty());
    let specifier = if let Some(header_name) = text(&hash.http_header_name) {
        PolicySpecifier::Header(Header { header_name, ..Default::default() })
    } else if let Some(cookie) = &hash.http_cookie {
        PolicySpecifier::Cookie(Cookie {
            name: cookie.name.clone(),
            // Without a lifetime none is made; one of 0 lasts as long as the browser.
            ttl: cookie.ttl.map(duration),
            path: cookie.path.clone().unwrap_or_default(),
            attributes: cookie
                .attributes
                .iter()
                .filter(|_| attributes)
                .map(|a| CookieAttribute { name: a.name.clone(), value: a.value.clone().unwrap_or_default() })
                .collect(),
        })
    } else if hash.use_source_ip == Some(true) {
        PolicySpecifier::ConnectionProperties(ConnectionProperties { source_ip: true })
    } else if let Some(name) = text(&hash.http_query_parameter_name) {
        PolicySpecifier::QueryParameter(QueryParameter { name })
    } else {
        return None;
    };
    Some(HashPolicy { terminal: false, policy_specifier: Some(specifier) })
}
