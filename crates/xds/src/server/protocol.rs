//! The two protocols of xDS: their messages to and from [`Ask`] and [`Reply`].

use weft_proto::envoy::config::core::v3::Node;
use weft_proto::envoy::service::discovery::v3::{
    DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse, Resource,
};
use weft_proto::google::rpc::Status;

use super::ask::{Ask, Names, Refusal, Reply};

/// A protocol.
pub trait Protocol: Send + 'static {
    /// What the client sends.
    type Request: prost::Message + Default + Send + 'static;
    /// What it gets.
    type Response: prost::Message + Default + Send + 'static;
    /// Listeners and clusters are sent as whole sets: what is not in a response is gone.
    const WHOLE_SETS: bool;
    /// Name on the debug page.
    const NAME: &'static str;

    /// Takes a request apart; the node comes with the first one of a stream.
    fn read(request: Self::Request) -> (Option<Node>, Ask);

    /// Puts a response together.
    fn write(reply: Reply) -> Self::Response;
}

fn refusal(detail: Option<Status>) -> Option<Refusal> {
    detail.map(|Status { code, message, details: _ }| Refusal { code, message })
}

/// Delta xDS.
#[derive(Clone, Copy, Debug)]
pub enum Delta {}

impl Protocol for Delta {
    type Request = DeltaDiscoveryRequest;
    type Response = DeltaDiscoveryResponse;
    const WHOLE_SETS: bool = false;
    const NAME: &'static str = "delta";

    fn read(request: DeltaDiscoveryRequest) -> (Option<Node>, Ask) {
        let DeltaDiscoveryRequest {
            node,
            type_url,
            resource_names_subscribe: subscribe,
            resource_names_unsubscribe: unsubscribe,
            // Dynamic parameters are of xdstp resources, which we have none of.
            resource_locators_subscribe: _,
            resource_locators_unsubscribe: _,
            initial_resource_versions: have,
            response_nonce: nonce,
            error_detail,
        } = request;
        let names = Names::Change { subscribe, unsubscribe, have: have.into_iter().collect() };
        (node, Ask { type_url, nonce, refusal: refusal(error_detail), names })
    }

    fn write(reply: Reply) -> DeltaDiscoveryResponse {
        let Reply { type_url, nonce, version, resources, removed } = reply;
        let resource = |resource: &std::sync::Arc<weft_proto::resource::Resource>| Resource {
            name: resource.name.to_string(),
            version: resource.version.to_string(),
            resource: Some(resource.body.clone()),
            ..Resource::default()
        };
        DeltaDiscoveryResponse {
            system_version_info: version,
            resources: resources.iter().map(resource).collect(),
            type_url: type_url.to_string(),
            removed_resources: removed.iter().map(ToString::to_string).collect(),
            nonce,
            ..DeltaDiscoveryResponse::default()
        }
    }
}

/// State of the world.
#[derive(Clone, Copy, Debug)]
pub enum StateOfTheWorld {}

impl Protocol for StateOfTheWorld {
    type Request = DiscoveryRequest;
    type Response = DiscoveryResponse;
    const WHOLE_SETS: bool = true;
    const NAME: &'static str = "state of the world";

    fn read(request: DiscoveryRequest) -> (Option<Node>, Ask) {
        let DiscoveryRequest {
            // What the client has from an earlier stream it is sent again: sets have no per-resource version.
            version_info: _,
            node,
            resource_names,
            resource_locators: _,
            type_url,
            response_nonce: nonce,
            error_detail,
        } = request;
        let names = Names::Whole(resource_names);
        (node, Ask { type_url, nonce, refusal: refusal(error_detail), names })
    }

    fn write(reply: Reply) -> DiscoveryResponse {
        let Reply { type_url, nonce, version, resources, removed: _ } = reply;
        DiscoveryResponse {
            version_info: version,
            resources: resources.iter().map(|resource| resource.body.clone()).collect(),
            type_url: type_url.to_string(),
            nonce,
            ..DiscoveryResponse::default()
        }
    }
}
