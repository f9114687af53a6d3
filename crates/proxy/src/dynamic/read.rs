//! Bytes of a resource → checked value, or why not.

use prost::Message;
use weft_filter::OpenFilters;
use weft_proto::envoy::config::cluster::v3 as cluster_proto;
use weft_proto::envoy::config::endpoint::v3 as endpoint_proto;
use weft_proto::envoy::config::listener::v3 as listener_proto;
use weft_proto::envoy::config::route::v3 as route_proto;
use weft_proto::envoy::extensions::transport_sockets::tls::v3 as tls_proto;
use weft_proto::scan;
use weft_proto::schema::MessageType;
use weft_tables::cluster::{Cluster, Endpoints};
use weft_tables::convert::{self, Context, Conversion, KnownNames};
use weft_tables::finding::{FindingClass, ResourceKind, ResourceRef};
use weft_tables::listener::Listener;
use weft_tables::route::RouteConfig;
use weft_tables::tls::Secret;
use weft_tables::{Finding, Tables};
use weft_xds::client::Received;

use crate::config::{self, System};

/// A value, and which fields have no effect; or why it is refused.
pub(super) type Outcome<T> = Result<(T, Vec<Finding>), String>;

/// Any cluster and secret may come yet.
const CONTEXT: Context<'static> =
    Context { files: &System, clusters: &KnownNames::Any, secrets: &KnownNames::Any };

pub(super) fn cluster(resource: &Received) -> Outcome<Cluster> {
    let proto: cluster_proto::Cluster = decode(resource)?;
    named(resource, &proto.name)?;
    finish(resource, ResourceKind::Cluster, convert::cluster(&proto, &CONTEXT))
}

pub(super) fn endpoints(resource: &Received) -> Outcome<Endpoints> {
    let proto: endpoint_proto::ClusterLoadAssignment = decode(resource)?;
    named(resource, &proto.cluster_name)?;
    finish(resource, ResourceKind::ClusterLoadAssignment, convert::endpoints(&proto, &CONTEXT))
}

pub(super) fn routes(resource: &Received) -> Outcome<RouteConfig> {
    let proto: route_proto::RouteConfiguration = decode(resource)?;
    named(resource, &proto.name)?;
    finish(resource, ResourceKind::RouteConfiguration, convert::route_config(&proto, &CONTEXT))
}

pub(super) fn secret(resource: &Received) -> Outcome<Secret> {
    let proto: tls_proto::Secret = decode(resource)?;
    named(resource, &proto.name)?;
    finish(resource, ResourceKind::Secret, convert::secret(&proto, &CONTEXT))
}

pub(super) fn listener(resource: &Received, filters: &OpenFilters) -> Outcome<Listener> {
    let proto = listener_proto(&resource.body.value)?;
    named(resource, &proto.name)?;
    let (listener, findings) = finish(resource, ResourceKind::Listener, convert::listener(&proto, &CONTEXT))?;
    match config::missing_in(&listener, filters).first() {
        Some(kind) => Err(format!("no HTTP filter of kind {kind:?} is built into this program")),
        None => Ok((listener, findings)),
    }
}

/// The message of a listener.
pub(super) fn listener_proto(bytes: &[u8]) -> Result<listener_proto::Listener, String> {
    listener_proto::Listener::decode(bytes).map_err(|error| format!("does not decode: {error}"))
}

fn decode<M: Message + Default>(resource: &Received) -> Result<M, String> {
    M::decode(resource.body.value.as_slice()).map_err(|error| format!("does not decode: {error}"))
}

/// A resource that is called otherwise inside could take the place of another.
fn named(resource: &Received, name: &str) -> Result<(), String> {
    if *resource.name == *name { Ok(()) } else { Err(format!("it calls itself {name:?}")) }
}

fn finish<T>(resource: &Received, kind: ResourceKind, conversion: Conversion<T>) -> Outcome<T> {
    match conversion {
        Ok((value, mut findings)) => {
            findings.extend(unknown(resource, kind));
            Ok((value, findings))
        }
        Err(findings) => {
            let refused: Vec<String> = findings.iter().filter(|f| f.is_refused()).map(fault).collect();
            Err(refused.join("; "))
        }
    }
}

fn fault(finding: &Finding) -> String {
    let Finding { resource: _, path, class: _, reason, hint } = finding;
    let hint = hint.map(|hint| format!(" ({hint})")).unwrap_or_default();
    if path.is_empty() { format!("{reason}{hint}") } else { format!("{path}: {reason}{hint}") }
}

/// Fields that a newer server knows and this program does not.
fn unknown(resource: &Received, kind: ResourceKind) -> Vec<Finding> {
    let Some(message) = MessageType::find_url(&resource.body.type_url) else { return Vec::new() };
    let found = scan::unknown_fields(message, &resource.body.value);
    let of = ResourceRef { kind, name: resource.name.clone() };
    found
        .into_iter()
        .map(|found| Finding {
            resource: of.clone(),
            path: found.path.clone(),
            class: FindingClass::Ignored,
            reason: found.kind.to_string(),
            hint: None,
        })
        .collect()
}

/// Whether the configuration at start has a resource of that name; it stays.
pub(super) fn is_static(base: &Tables, kind: ResourceKind, name: &str) -> bool {
    match kind {
        ResourceKind::Cluster => base.clusters.contains_key(name),
        ResourceKind::Listener => base.listeners.contains_key(name),
        ResourceKind::Secret => base.secrets.contains_key(name),
        ResourceKind::Bootstrap | ResourceKind::RouteConfiguration | ResourceKind::ClusterLoadAssignment => {
            false
        }
    }
}
