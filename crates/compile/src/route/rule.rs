//! The rules of a VirtualService as routes (VS-04, VS-10, VS-11).

use std::collections::HashMap;

use weft_api::istio::http_match::HttpMatch;
use weft_api::istio::http_route::HttpRoute;
use weft_api::istio::virtual_service::MESH;
use weft_api::value::label::selects;
use weft_model::{RouteOrigin, VirtualServiceView};
use weft_proto::any::pack;
use weft_proto::envoy::config::route::v3::route::Action;
use weft_proto::envoy::config::route::v3::route_match::PathSpecifier;
use weft_proto::envoy::config::route::v3::{Decorator, Route, RouteMatch};

use super::headers::Changes;
use super::{answer, filters, forward, matches};
use crate::filter::{CORS_FILTER, FAULT_FILTER};
use crate::provenance;
use crate::view::View;

/// For whom rules are compiled.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Audience<'a> {
    /// Names of the gateways, or `mesh`.
    pub(crate) gateways: &'a [&'a str],
    /// Port on which requests come in.
    pub(crate) port: u16,
}

impl Audience<'_> {
    /// Sidecars.
    pub(crate) const MESH: [&'static str; 1] = [MESH];
}

/// The routes of a VirtualService, in order; `None`: none of its rules is for this proxy and port. Empty:
/// some are, but no request fulfils them, and so none is let through.
pub(crate) fn routes(
    view: &View<'_>,
    service: &VirtualServiceView,
    audience: Audience<'_>,
) -> Option<Vec<Route>> {
    let mut routes = Vec::new();
    let mut concerned = false;
    for (rule, origin) in service.spec.http.iter().zip(&service.http_origins) {
        if rule.matches.is_empty() {
            routes.push(route(view, rule, None, matches::everything(), origin, audience));
            return Some(routes);
        }
        for block in rule.matches.iter().filter(|block| concerns(view, block, audience)) {
            concerned = true;
            let Some(criteria) = matches::criteria(block) else { continue };
            routes.push(route(view, rule, Some(block), criteria, origin, audience));
            if matches::is_everything(block) {
                // Nothing reaches what comes behind.
                return Some(routes);
            }
        }
    }
    concerned.then_some(routes)
}

/// Whether a block is for this proxy and port; decided here, not for each request (VS-10).
fn concerns(view: &View<'_>, block: &HttpMatch, audience: Audience<'_>) -> bool {
    let port = block.port.is_none_or(|port| port.number() == audience.port);
    let gateway = block.gateways.is_empty()
        || block.gateways.iter().any(|name| audience.gateways.contains(&name.as_str()));
    // Labels and namespace tell sidecars apart; a gateway's own mean nothing there.
    let sidecar = audience.gateways == Audience::MESH;
    let labels = !sidecar || selects(&block.source_labels, &view.proxy.labels);
    let namespace = block
        .source_namespace
        .as_deref()
        .filter(|n| !n.is_empty())
        .is_none_or(|n| n == &*view.proxy.namespace);
    port && gateway && labels && namespace
}

fn route(
    view: &View<'_>,
    rule: &HttpRoute,
    block: Option<&HttpMatch>,
    criteria: RouteMatch,
    origin: &RouteOrigin,
    audience: Audience<'_>,
) -> Route {
    let mut changes = Changes::default();
    changes.add(rule.headers.as_ref());
    let mut per_filter = HashMap::new();
    let mut operation = None;
    let action = if let Some(redirect) = &rule.redirect {
        answer::redirect(redirect, audience.port)
    } else if let Some(direct) = &rule.direct_response {
        answer::direct(direct)
    } else {
        let forward = forward::of_rule(view, rule, audience.port, &mut changes);
        per_filter = forward.per_filter;
        changes.request_remove.extend(forward.remove);
        operation = rule.route.first().map(|to| {
            let port = forward::port_of(view, to, audience.port);
            decorator(&to.destination.host, port, &criteria)
        });
        Action::Route(forward.action)
    };
    if let Some(fault) = rule.fault.as_ref().and_then(filters::fault) {
        per_filter.insert(FAULT_FILTER.to_owned(), pack(&fault));
    }
    if let Some(cors) = &rule.cors_policy {
        per_filter.insert(CORS_FILTER.to_owned(), pack(&filters::cors(cors)));
    }
    Route {
        name: name(rule, block),
        r#match: Some(criteria),
        metadata: Some(provenance::of_route(&origin.object, &format!("spec.http[{}]", origin.index))),
        decorator: operation,
        typed_per_filter_config: per_filter,
        request_headers_to_add: changes.request_add,
        request_headers_to_remove: changes.request_remove,
        response_headers_to_add: changes.response_add,
        response_headers_to_remove: changes.response_remove,
        stat_prefix: block.and_then(|block| block.stat_prefix.clone()).unwrap_or_default(),
        action: Some(action),
        ..Default::default()
    }
}

/// The rule's name, then that of the block.
fn name(rule: &HttpRoute, block: Option<&HttpMatch>) -> String {
    let rule = rule.name.as_deref().filter(|name| !name.is_empty());
    let block = block.and_then(|block| block.name.as_deref()).filter(|name| !name.is_empty());
    match (rule, block) {
        (Some(rule), Some(block)) => format!("{rule}.{block}"),
        (Some(one), None) | (None, Some(one)) => one.to_owned(),
        (None, None) => String::new(),
    }
}

/// What traces call the operation: `host:port/path`.
pub(super) fn decorator(host: &str, port: u16, criteria: &RouteMatch) -> Decorator {
    let path = match &criteria.path_specifier {
        Some(PathSpecifier::Path(path)) => path.clone(),
        Some(PathSpecifier::Prefix(prefix)) => format!("{prefix}*"),
        Some(PathSpecifier::SafeRegex(regex)) => regex.regex.clone(),
        _ => "/*".to_owned(),
    };
    Decorator { operation: format!("{host}:{port}{path}"), propagate: None }
}
