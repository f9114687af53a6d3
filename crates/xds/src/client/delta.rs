//! The form in which changes alone go over the wire.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use weft_proto::envoy::service::discovery::v3::{
    DeltaDiscoveryRequest, DeltaDiscoveryResponse, Resource, ResourceError,
};
use weft_proto::google::rpc::Status;

use super::subscription::{Interest, Subscription};
use super::{Delivery, Limits, Received, Refusal, Request};

/// `google.rpc.Code.INVALID_ARGUMENT`.
pub(super) const INVALID_ARGUMENT: i32 = 3;

/// Tells the server what is wanted: all of it on a new stream, else what has changed.
pub(super) fn update(subscription: &Subscription) -> Request {
    let none = BTreeSet::new();
    let names = |interest: &Interest| match interest {
        Interest::Wildcard => none.clone(),
        Interest::Names(names) => names.clone(),
    };
    let wanted = names(&subscription.interest);
    let texts = |names: BTreeSet<Arc<str>>| names.iter().map(ToString::to_string).collect();
    let mut request =
        DeltaDiscoveryRequest { type_url: subscription.type_url.to_string(), ..Default::default() };
    match &subscription.told {
        None => {
            request.resource_names_subscribe = texts(wanted);
            request.initial_resource_versions = versions(subscription);
        }
        Some(told) => {
            let told = names(told);
            request.resource_names_subscribe = texts(&wanted - &told);
            request.resource_names_unsubscribe = texts(&told - &wanted);
        }
    }
    Request::Delta(request)
}

fn versions(subscription: &Subscription) -> HashMap<String, String> {
    let known = subscription.versions.iter();
    known.map(|(name, version)| (name.to_string(), version.to_string())).collect()
}

/// What a response brings.
pub(super) fn delivery(
    subscription: &Subscription,
    response: DeltaDiscoveryResponse,
    limits: &Limits,
) -> Delivery {
    let DeltaDiscoveryResponse {
        system_version_info,
        resources,
        type_url: _,
        removed_resources,
        removed_resource_names: _,
        nonce,
        control_plane: _,
        resource_errors,
    } = response;
    let mut delivery = Delivery {
        type_url: subscription.type_url.clone(),
        nonce,
        version: system_version_info,
        changed: Vec::new(),
        removed: removed_resources.iter().map(|name| name.as_str().into()).collect(),
        refused: Vec::new(),
        errors: errors(&subscription.type_url, resource_errors),
    };
    let mut seen = HashSet::new();
    let room = limits.max_resources.saturating_sub(subscription.versions.len());
    let mut added = 0;
    for resource in resources {
        // Aliases and lifetimes are not asked for, cache hints and metadata are for relays.
        let Resource {
            resource_name: _,
            name,
            aliases: _,
            version,
            resource,
            ttl: _,
            cache_control: _,
            metadata: _,
        } = resource;
        let name: Arc<str> = name.as_str().into();
        if !subscription.interest.includes(&name) {
            continue;
        }
        let mut refuse = |reason: &str| {
            delivery.refused.push(Refusal { name: name.clone(), reason: reason.to_owned() });
        };
        if !seen.insert(name.clone()) {
            refuse("twice in one response");
            continue;
        }
        let Some(body) = resource else {
            // A heartbeat: the resource is still as it was.
            continue;
        };
        if body.type_url != *subscription.type_url {
            refuse(&format!("it is a {:?}", body.type_url));
            continue;
        }
        if !subscription.versions.contains_key(&name) {
            added += 1;
            if added > room {
                refuse(&format!("more than {} resources of this type", limits.max_resources));
                continue;
            }
        }
        delivery.changed.push(Received { name, version: version.as_str().into(), body });
    }
    delivery
}

/// What the server says of resources that it cannot give.
pub(super) fn errors(type_url: &str, errors: Vec<ResourceError>) -> Vec<Refusal> {
    let one = |error: ResourceError| {
        let name = error.resource_name.map(|name| name.name).unwrap_or_default();
        let reason = error.error_detail.map(|status| status.message).unwrap_or_default();
        tracing::warn!(%type_url, %name, %reason, "the server cannot give a resource");
        Refusal { name: name.as_str().into(), reason }
    };
    errors.into_iter().map(one).collect()
}

/// Accepts or refuses.
pub(super) fn answer(delivery: &Delivery, error: Option<String>) -> Request {
    Request::Delta(DeltaDiscoveryRequest {
        type_url: delivery.type_url.to_string(),
        response_nonce: delivery.nonce.clone(),
        error_detail: error.map(status),
        ..Default::default()
    })
}

pub(super) fn status(message: String) -> Status {
    Status { code: INVALID_ARGUMENT, message, details: Vec::new() }
}
