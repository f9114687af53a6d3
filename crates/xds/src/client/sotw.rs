//! The form in which a response holds all resources of its type.

use std::collections::HashSet;
use std::sync::Arc;

use prost::Message;
use weft_proto::envoy::service::discovery::v3::{DiscoveryRequest, DiscoveryResponse, Resource};
use weft_proto::google::protobuf::{Any, StringValue};
use weft_proto::type_url;

use super::subscription::{Interest, Subscription};
use super::{Delivery, Limits, Received, Refusal, Request, delta};

/// The wrapper that a resource may come in.
const WRAPPED: &str = "type.googleapis.com/envoy.service.discovery.v3.Resource";

/// Tells the server what is wanted.
pub(super) fn update(subscription: &Subscription) -> Request {
    Request::StateOfTheWorld(request(subscription))
}

fn request(subscription: &Subscription) -> DiscoveryRequest {
    DiscoveryRequest {
        version_info: subscription.accepted.clone(),
        resource_names: match &subscription.interest {
            Interest::Wildcard => Vec::new(),
            Interest::Names(names) => names.iter().map(ToString::to_string).collect(),
        },
        type_url: subscription.type_url.to_string(),
        response_nonce: subscription.nonce.clone(),
        ..Default::default()
    }
}

/// What a response brings: resources whose bytes are others than those that are here. What a response
/// of listeners or clusters lacks is gone; other types may come in parts.
pub(super) fn delivery(
    subscription: &mut Subscription,
    response: DiscoveryResponse,
    limits: &Limits,
) -> Delivery {
    let DiscoveryResponse {
        version_info,
        resources,
        canary: _,
        type_url: _,
        nonce,
        control_plane: _,
        resource_errors,
    } = response;
    subscription.nonce.clone_from(&nonce);
    let mut delivery = Delivery {
        type_url: subscription.type_url.clone(),
        nonce,
        version: version_info,
        changed: Vec::new(),
        removed: Vec::new(),
        refused: Vec::new(),
        errors: super::delta::errors(&subscription.type_url, resource_errors),
    };
    let (mut seen, mut present, mut nameless) = (HashSet::new(), HashSet::new(), false);
    for (index, body) in resources.into_iter().enumerate() {
        let mut refuse = |name: &str, reason: String| {
            delivery.refused.push(Refusal { name: name.into(), reason });
        };
        let (name, body) = match unwrap(body) {
            Ok(found) => found,
            Err(reason) => {
                nameless = true;
                refuse(&format!("#{index}"), reason);
                continue;
            }
        };
        // What is refused below is there all the same: its last good version stays.
        present.insert(name.clone());
        if body.type_url != *subscription.type_url {
            refuse(&name, format!("it is a {:?}", body.type_url));
            continue;
        }
        if !subscription.interest.includes(&name) {
            continue;
        }
        if !seen.insert(name.clone()) {
            refuse(&name, "twice in one response".to_owned());
            continue;
        }
        if seen.len() > limits.max_resources {
            refuse(&name, format!("more than {} resources of this type", limits.max_resources));
            continue;
        }
        let version: Arc<str> = hash(&body.value).into();
        if subscription.versions.get(&name) != Some(&version) {
            delivery.changed.push(Received { name, version, body });
        }
    }
    // A resource whose name cannot be read may be any of those that seem to be gone.
    if !nameless && matches!(&*subscription.type_url, type_url::LISTENER | type_url::CLUSTER) {
        let gone = subscription.versions.keys().filter(|name| !present.contains(*name));
        delivery.removed = gone.cloned().collect();
    }
    delivery
}

/// Name and message of a resource. Each kind of resource has its name in its first field.
fn unwrap(body: Any) -> Result<(Arc<str>, Any), String> {
    if body.type_url == WRAPPED {
        let wrapped = Resource::decode(body.value.as_slice()).map_err(|e| format!("does not decode: {e}"))?;
        let inner = wrapped.resource.ok_or("a wrapper without a resource")?;
        return Ok((wrapped.name.as_str().into(), inner));
    }
    let named = StringValue::decode(body.value.as_slice()).map_err(|e| format!("does not decode: {e}"))?;
    Ok((named.value.as_str().into(), body))
}

/// 64 bits of FNV-1a: it tells versions of one resource apart, no more.
fn hash(bytes: &[u8]) -> String {
    let hash = bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3));
    format!("{hash:016x}")
}

/// Accepts or refuses.
pub(super) fn answer(subscription: &mut Subscription, delivery: &Delivery, error: Option<String>) -> Request {
    if error.is_none() {
        subscription.accepted.clone_from(&delivery.version);
    }
    let mut request = request(subscription);
    request.response_nonce.clone_from(&delivery.nonce);
    request.error_detail = error.map(delta::status);
    subscription.told = Some(subscription.interest.clone());
    Request::StateOfTheWorld(request)
}
