//! Who is at the other end (SD-14).
//!
//! Istio's filters tell and learn it; core Envoy can only tell, in the same headers, which are the same
//! for every request: so a metric of the other end names this workload all the same.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use weft_model::workload::{canonical_name, canonical_revision};
use weft_proto::canonical::canonical;
use weft_proto::envoy::config::common::mutation_rules::v3::HeaderMutation as Step;
use weft_proto::envoy::config::common::mutation_rules::v3::header_mutation::Action;
use weft_proto::envoy::config::core::v3::header_value_option::HeaderAppendAction;
use weft_proto::envoy::config::core::v3::{HeaderValue, HeaderValueOption};
use weft_proto::envoy::config::listener::v3::Filter;
use weft_proto::envoy::extensions::filters::http::header_mutation::v3::{HeaderMutation, Mutations};
use weft_proto::envoy::extensions::filters::network::http_connection_manager::v3::HttpFilter;
use weft_proto::google::protobuf::value::Kind;
use weft_proto::google::protobuf::{Struct, Value};
use weft_proto::istio::metadata_exchange::MetadataExchange;
use weft_proto::istio::peer_metadata::Config;
use weft_proto::istio::peer_metadata::config::discovery_method::MethodSpecifier as Learn;
use weft_proto::istio::peer_metadata::config::propagation_method::MethodSpecifier as Tell;
use weft_proto::istio::peer_metadata::config::{
    DiscoveryMethod, IstioHeaders, PropagationMethod, WorkloadDiscovery,
};
use weft_proto::schema::MessageType;

use super::{Context, Direction, http_filter, network_filter};
use crate::capabilities::Capabilities;
use crate::message::{structure, text};
use crate::proxy::Proxy;

/// Name of the filters.
pub const PEER_METADATA_FILTER: &str = "istio.metadata_exchange";
/// The header with the facts, and the one with the node's id.
const HEADERS: [&str; 2] = ["x-envoy-peer-metadata", "x-envoy-peer-metadata-id"];
/// Longest label value that is told, bytes; Kubernetes allows 63.
const MAX_VALUE: usize = 253;

/// The HTTP filter.
pub(super) fn http(context: Context<'_>, direction: Direction) -> HttpFilter {
    if context.proxy.capabilities.peer_metadata {
        return http_filter(PEER_METADATA_FILTER, &istio(direction));
    }
    http_filter(
        PEER_METADATA_FILTER,
        &HeaderMutation { mutations: Some(plain(context, direction)), ..HeaderMutation::default() },
    )
}

/// The network filter, if the proxy has it.
pub(super) fn network(capabilities: Capabilities) -> Option<Filter> {
    let config = || MetadataExchange {
        protocol: crate::security::tls::PEER_EXCHANGE.to_owned(),
        ..MetadataExchange::default()
    };
    capabilities.tcp_peer_metadata.then(|| network_filter(PEER_METADATA_FILTER, &config()))
}

fn istio(direction: Direction) -> Config {
    let learn = || {
        let headers = Learn::IstioHeaders(IstioHeaders::default());
        let discovery = Learn::WorkloadDiscovery(WorkloadDiscovery {});
        [headers, discovery].map(|method| DiscoveryMethod { method_specifier: Some(method) }).to_vec()
    };
    let tell = |skip_external_clusters| {
        let headers = Tell::IstioHeaders(IstioHeaders { skip_external_clusters });
        vec![PropagationMethod { method_specifier: Some(headers) }]
    };
    match direction {
        Direction::Inbound => {
            Config { downstream_discovery: learn(), downstream_propagation: tell(false), ..Config::default() }
        }
        Direction::Outbound | Direction::Gateway => {
            Config { upstream_discovery: learn(), upstream_propagation: tell(true), ..Config::default() }
        }
    }
}

/// Tells the own facts toward the other end, and takes the other end's away before the application or
/// an outsider sees them.
fn plain(context: Context<'_>, direction: Direction) -> Mutations {
    let facts = STANDARD.encode(encode(&facts(context)));
    let values = [facts.as_str(), &context.proxy.id];
    let tell = HEADERS.iter().zip(values).map(|(name, value)| set(name, value)).collect();
    let hide = HEADERS.iter().map(|name| Step { action: Some(Action::Remove((*name).to_owned())) }).collect();
    match direction {
        Direction::Inbound => {
            Mutations { request_mutations: hide, response_mutations: tell, ..Mutations::default() }
        }
        Direction::Outbound | Direction::Gateway => {
            Mutations { request_mutations: tell, response_mutations: hide, ..Mutations::default() }
        }
    }
}

fn set(name: &str, value: &str) -> Step {
    let header = HeaderValue {
        key: name.to_owned(),
        // A percent sign would begin an operator.
        value: value.replace('%', "%%"),
        ..HeaderValue::default()
    };
    Step {
        action: Some(Action::Append(HeaderValueOption {
            header: Some(header),
            append_action: HeaderAppendAction::OverwriteIfExistsOrAdd.into(),
            ..HeaderValueOption::default()
        })),
    }
}

/// What a workload tells of itself, by Istio's names.
fn facts(context: Context<'_>) -> Struct {
    let proxy: &Proxy = context.proxy;
    let (namespace, workload) = (&proxy.namespace, &proxy.workload);
    let owner = format!("kubernetes://apis/apps/v1/namespaces/{namespace}/deployments/{workload}");
    let revision = canonical_revision(&proxy.labels);
    let mut labels = vec![
        ("service.istio.io/canonical-name", text(canonical_name(&proxy.labels, workload))),
        ("service.istio.io/canonical-revision", text(revision)),
    ];
    for name in ["app", "version"] {
        labels
            .extend(proxy.labels.get(name).filter(|value| value.len() <= MAX_VALUE).map(|v| (name, text(v))));
    }
    let or =
        |told: &weft_types::Name, known: &weft_types::Name| text(if told.is_empty() { known } else { told });
    structure([
        ("NAME", text(&proxy.name)),
        ("NAMESPACE", text(namespace)),
        ("WORKLOAD_NAME", text(workload)),
        ("OWNER", text(&owner)),
        ("SERVICE_ACCOUNT", text(&proxy.service_account)),
        ("CLUSTER_ID", or(&proxy.cluster, &context.mesh.cluster)),
        ("MESH_ID", or(&proxy.mesh_id, context.mesh.mesh_name())),
        ("LABELS", Value { kind: Some(Kind::StructValue(structure(labels))) }),
    ])
}

/// The same bytes for the same facts, whatever the order of a hash map.
fn encode(facts: &Struct) -> Vec<u8> {
    let wire = prost::Message::encode_to_vec(facts);
    match MessageType::find("google.protobuf.Struct") {
        Some(schema) => canonical(schema, &wire),
        None => wire,
    }
}
