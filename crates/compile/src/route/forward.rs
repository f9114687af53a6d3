//! Routes that forward: destinations, weights, rewrites, copies, time-outs (VS-12, VS-16, VS-19, VS-23).

use std::collections::HashMap;
use std::time::Duration;

use weft_api::istio::http_route::{HttpRewrite, HttpRoute, HttpRouteDestination};
use weft_api::value::Percent;
use weft_proto::any::pack;
use weft_proto::envoy::config::route::v3::route_action::{
    ClusterSpecifier, HashPolicy, HostRewriteSpecifier, RequestMirrorPolicy,
};
use weft_proto::envoy::config::route::v3::weighted_cluster::ClusterWeight;
use weft_proto::envoy::config::route::v3::weighted_cluster::cluster_weight;
use weft_proto::envoy::config::route::v3::{FilterConfig, RouteAction, WeightedCluster};
use weft_proto::envoy::r#type::matcher::v3::RegexMatchAndSubstitute;
use weft_proto::google::protobuf::Any;

use super::destination::{Target, hash_policy};
use super::headers::Changes;
use super::{matches, retry};
use crate::filter::ALPN_FILTER;
use crate::message::{duration, runtime_millionths, u32_value};
use crate::view::View;

/// Headers in which core Envoy tells the workload's facts; not for outsiders.
const PEER_HEADERS: [&str; 2] = ["x-envoy-peer-metadata", "x-envoy-peer-metadata-id"];

/// A forwarding action with what its destinations ask of the route around it.
#[derive(Debug)]
pub(super) struct Forward {
    pub(super) action: RouteAction,
    pub(super) per_filter: HashMap<String, Any>,
    pub(super) remove: Vec<String>,
}

/// The action of a rule with destinations. `changes` are the rule's; a single destination's join them.
pub(super) fn of_rule(view: &View<'_>, rule: &HttpRoute, arrived: u16, changes: &mut Changes) -> Forward {
    let targets: Vec<(&HttpRouteDestination, Target<'_>)> =
        rule.route.iter().map(|to| (to, Target::of(view, &to.destination, arrived))).collect();
    let mut action = RouteAction {
        timeout: Some(duration(rule.timeout.unwrap_or(Duration::ZERO))),
        retry_policy: retry::policy(rule.retries.as_ref(), targets.iter().any(|(_, t)| t.hash.is_some())),
        request_mirror_policies: mirrors(view, rule, arrived),
        hash_policy: hashes(view, &targets),
        ..Default::default()
    };
    let mut forward = around(view, &targets.iter().map(|(_, target)| target).collect::<Vec<_>>());
    if let Some(rewritten) = &rule.rewrite {
        rewrite(&mut action, rewritten);
    }
    match targets.as_slice() {
        [(destination, target)] => {
            changes.add(destination.headers.as_ref());
            action.cluster_specifier = Some(ClusterSpecifier::Cluster(target.cluster.clone()));
        }
        several => {
            let clusters = several.iter().map(|(to, target)| weighted(to, target)).collect();
            let weighted = WeightedCluster { clusters, ..Default::default() };
            action.cluster_specifier = Some(ClusterSpecifier::WeightedClusters(weighted));
        }
    }
    if let Some(host) = &changes.host {
        action.host_rewrite_specifier = Some(HostRewriteSpecifier::HostRewriteLiteral(host.clone()));
    }
    forward.action = action;
    forward
}

/// The port that a destination leads to.
pub(super) fn port_of(view: &View<'_>, to: &HttpRouteDestination, arrived: u16) -> u16 {
    Target::of(view, &to.destination, arrived).port
}

/// The action toward one target, as where no rule speaks.
pub(super) fn of_target(view: &View<'_>, target: &Target<'_>) -> Forward {
    let mut forward = around(view, &[target]);
    forward.action = RouteAction {
        cluster_specifier: Some(ClusterSpecifier::Cluster(target.cluster.clone())),
        timeout: Some(duration(Duration::ZERO)),
        retry_policy: retry::policy(None, target.hash.is_some()),
        hash_policy: target.hash.and_then(|hash| hash_policy(view, hash)).into_iter().collect(),
        ..Default::default()
    };
    forward
}

/// What destinations ask of the route around them. Istio's filters look at the cluster themselves; core
/// Envoy's cannot.
fn around(view: &View<'_>, targets: &[&Target<'_>]) -> Forward {
    let capabilities = view.proxy.capabilities;
    let mut per_filter = HashMap::new();
    if !capabilities.istio_alpn && targets.iter().any(|target| target.foreign_tls) {
        let off = FilterConfig { disabled: true, ..Default::default() };
        per_filter.insert(ALPN_FILTER.to_owned(), pack(&off));
    }
    let outside = !capabilities.peer_metadata && targets.iter().any(|target| target.external);
    let remove = if outside { peer_headers() } else { Vec::new() };
    Forward { action: RouteAction::default(), per_filter, remove }
}

/// Headers that outsiders must not get.
pub(super) fn peer_headers() -> Vec<String> {
    PEER_HEADERS.map(str::to_owned).to_vec()
}

fn weighted(to: &HttpRouteDestination, target: &Target<'_>) -> ClusterWeight {
    let mut changes = Changes::default();
    changes.add(to.headers.as_ref());
    ClusterWeight {
        name: target.cluster.clone(),
        weight: Some(u32_value(u32::try_from(to.weight).unwrap_or(0))),
        request_headers_to_add: changes.request_add,
        request_headers_to_remove: changes.request_remove,
        response_headers_to_add: changes.response_add,
        response_headers_to_remove: changes.response_remove,
        host_rewrite_specifier: changes.host.map(cluster_weight::HostRewriteSpecifier::HostRewriteLiteral),
        ..Default::default()
    }
}

fn hashes(view: &View<'_>, targets: &[(&HttpRouteDestination, Target<'_>)]) -> Vec<HashPolicy> {
    let mut policies = Vec::new();
    for policy in
        targets.iter().filter_map(|(_, target)| target.hash.and_then(|hash| hash_policy(view, hash)))
    {
        if !policies.contains(&policy) {
            policies.push(policy);
        }
    }
    policies
}

fn mirrors(view: &View<'_>, rule: &HttpRoute, arrived: u16) -> Vec<RequestMirrorPolicy> {
    let single = rule.mirror.iter().map(|to| (to, rule.mirror_share()));
    let list = rule.mirrors.iter().map(|m| (&m.destination, m.percentage.unwrap_or(Percent::ALL)));
    let copies = single.chain(list).filter(|(_, share)| share.per_million() > 0);
    let policy = |(to, share): (_, Percent)| RequestMirrorPolicy {
        cluster: Target::of(view, to, arrived).cluster,
        runtime_fraction: Some(runtime_millionths(share.per_million())),
        disable_shadow_host_suffix_append: true,
        ..Default::default()
    };
    copies.map(policy).collect()
}

/// A URI replaces what the match took: the prefix, or else the whole path. Envoy's prefix rewrite does
/// both.
fn rewrite(action: &mut RouteAction, rule: &HttpRewrite) {
    let text = |text: &Option<String>| text.clone().filter(|t| !t.is_empty());
    if let Some(regex) = &rule.uri_regex_rewrite {
        action.regex_rewrite = Some(RegexMatchAndSubstitute {
            pattern: Some(matches::expression(&regex.pattern)),
            substitution: regex.rewrite.clone().unwrap_or_default(),
        });
    } else if let Some(uri) = text(&rule.uri) {
        action.prefix_rewrite = uri;
    }
    if let Some(host) = text(&rule.authority) {
        action.host_rewrite_specifier = Some(HostRewriteSpecifier::HostRewriteLiteral(host));
    }
}
