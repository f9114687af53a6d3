//! The decision for a request.

use std::sync::Arc;

use weft_tables::route::{
    Action, Forward, Route, RouteConfig, Target, TlsRequirement, VirtualHost, WeightedCluster,
};
use weft_types::{Name, RequestHead};

use crate::host::find_host;
use crate::matching::{RequestFacts, route_matches};

/// What a route configuration says of a request.
#[derive(Debug)]
pub enum Decision {
    /// No virtual host or no route takes it: 404, flag NR, `route_not_found`.
    NoRoute,
    /// The virtual host wants TLS: redirect to https, whatever its routes say.
    RequireTls(Arc<VirtualHost>),
    /// A route takes it.
    Route(RouteChoice),
}

/// The route that takes a request, and the target that was drawn.
#[derive(Clone, Debug)]
pub struct RouteChoice {
    /// Virtual host.
    pub host: Arc<VirtualHost>,
    /// Route.
    pub route: Arc<Route>,
    /// Cluster to forward to; `None` if the route does not forward, or a header that should name it
    /// is missing.
    pub cluster: Option<Name>,
    /// Index of the weighted cluster that was drawn.
    pub weighted: Option<usize>,
}

impl RouteChoice {
    /// The forwarding action, if the route forwards.
    #[must_use]
    pub fn forward(&self) -> Option<&Forward> {
        match &self.route.action {
            Action::Forward(forward) => Some(forward),
            _ => None,
        }
    }

    /// The weighted cluster that was drawn.
    #[must_use]
    pub fn weighted_cluster(&self) -> Option<&WeightedCluster> {
        match &self.forward()?.target {
            Target::Weighted { clusters, .. } => clusters.get(self.weighted?),
            _ => None,
        }
    }
}

/// Decides: virtual host by authority, then the first route whose criteria hold, then a cluster.
#[must_use]
pub fn decide(config: &RouteConfig, head: &RequestHead, facts: &RequestFacts) -> Decision {
    let Some(host) = find_host(config, &head.authority) else { return Decision::NoRoute };
    if wants_tls(host, head, facts) {
        return Decision::RequireTls(host.clone());
    }
    let path = head.path_only();
    let stripped;
    let path = if config.ignore_path_parameters && path.contains(';') {
        stripped = without_parameters(path);
        stripped.as_str()
    } else {
        path
    };
    let Some(route) = host.routes.first(path, |r| route_matches(r, head, path, facts)) else {
        return Decision::NoRoute;
    };
    let (cluster, weighted) = match &route.action {
        Action::Forward(forward) => choose(&forward.target, head, facts.dice),
        _ => (None, None),
    };
    Decision::Route(RouteChoice { host: host.clone(), route: route.clone(), cluster, weighted })
}

/// Whether the request must come over TLS and did not, as far as `x-forwarded-proto` tells: proxies in
/// front may have ended TLS.
fn wants_tls(host: &VirtualHost, head: &RequestHead, facts: &RequestFacts) -> bool {
    let secure = head.headers.get("x-forwarded-proto").map_or(facts.tls, |told| told == b"https");
    match host.require_tls {
        _ if secure => false,
        TlsRequirement::None => false,
        TlsRequirement::ExternalOnly => head.headers.get("x-envoy-internal") != Some(b"true"),
        TlsRequirement::All => true,
    }
}

fn choose(target: &Target, head: &RequestHead, dice: u64) -> (Option<Name>, Option<usize>) {
    match target {
        Target::Cluster(name) => (Some(name.clone()), None),
        Target::Header(header) => (named_by(head, header), None),
        Target::Weighted { clusters, total, random_header } => {
            let given = random_header.as_deref().and_then(|name| only_value(head, name));
            let mut point = given.unwrap_or(dice) % (*total).max(1);
            for (index, entry) in clusters.iter().enumerate() {
                let weight = u64::from(entry.weight);
                if point < weight {
                    let name = match &entry.header {
                        Some(header) => named_by(head, header),
                        None => Some(entry.cluster.clone()),
                    };
                    return (name, Some(index));
                }
                point -= weight;
            }
            (None, None)
        }
    }
}

/// The number in a field that comes once: with several, proxies could disagree on which one counts.
fn only_value(head: &RequestHead, name: &str) -> Option<u64> {
    let mut values = head.headers.get_all(name.as_bytes());
    let value = values.next().filter(|_| values.next().is_none())?;
    std::str::from_utf8(value).ok()?.parse().ok()
}

fn named_by(head: &RequestHead, header: &str) -> Option<Name> {
    if header.starts_with(':') || header == "host" {
        return head.field(header).and_then(|v| std::str::from_utf8(&v).ok().map(Into::into));
    }
    head.headers.get_str(header).filter(|v| !v.is_empty()).map(Into::into)
}

/// The path with each segment up to its `;`.
fn without_parameters(path: &str) -> String {
    path.split('/').map(|s| s.split(';').next().unwrap_or_default()).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests;
