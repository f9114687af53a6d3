//! The entry points, one for each kind of resource.

use std::collections::HashSet;

use weft_types::Name;

use super::reader::Reader;
use super::source::DataSource;
use super::{cluster as cluster_reader, endpoints as endpoint_reader, listener as listener_reader};
use super::{route_config as route_reader, secret as secret_reader};
use crate::cluster::{Cluster, Endpoints};
use crate::finding::{Finding, ResourceKind};
use crate::listener::Listener;
use crate::pb::envoy::config::cluster::v3 as cluster_proto;
use crate::pb::envoy::config::endpoint::v3 as endpoint_proto;
use crate::pb::envoy::config::listener::v3 as listener_proto;
use crate::pb::envoy::config::route::v3 as route_proto;
use crate::pb::envoy::extensions::transport_sockets::tls::v3 as tls_proto;
use crate::route::RouteConfig;
use crate::tls::Secret;

/// What conversion may ask of the world outside the resource.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// Files and environment variables.
    pub files: &'a dyn DataSource,
    /// Clusters that exist, for route configurations with `validate_clusters`.
    pub clusters: &'a KnownNames,
    /// Secrets that exist, for references without an SDS server.
    pub secrets: &'a KnownNames,
}

impl std::fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context")
            .field("clusters", self.clusters)
            .field("secrets", self.secrets)
            .finish_non_exhaustive()
    }
}

/// Names that can be referred to. A name counts from the moment it is configured, even if the
/// resource itself is refused: its fault must not spread (invariant 3).
#[derive(Clone, Debug, Default)]
pub enum KnownNames {
    /// Any name may come to exist.
    #[default]
    Any,
    /// These alone.
    Only(HashSet<Name>),
}

impl KnownNames {
    /// Whether the name can be referred to.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Only(names) => names.contains(name),
        }
    }
}

/// A converted resource with what was ignored in it, or all that was found when it is refused.
pub type Conversion<T> = Result<(T, Vec<Finding>), Vec<Finding>>;

/// Converts a listener.
///
/// # Errors
/// All findings, when one of them refuses the listener.
pub fn listener(proto: &listener_proto::Listener, context: &Context<'_>) -> Conversion<Listener> {
    let mut reader = Reader::new(context, ResourceKind::Listener, &proto.name);
    let read = listener_reader::read(&mut reader, proto);
    reader.finish(read)
}

/// Converts a route configuration that RDS delivers.
///
/// # Errors
/// All findings, when one of them refuses the configuration.
pub fn route_config(
    proto: &route_proto::RouteConfiguration,
    context: &Context<'_>,
) -> Conversion<RouteConfig> {
    let mut reader = Reader::new(context, ResourceKind::RouteConfiguration, &proto.name);
    let read = route_reader::read(&mut reader, proto, false);
    reader.finish(read)
}

/// Converts a cluster.
///
/// # Errors
/// All findings, when one of them refuses the cluster.
pub fn cluster(proto: &cluster_proto::Cluster, context: &Context<'_>) -> Conversion<Cluster> {
    let mut reader = Reader::new(context, ResourceKind::Cluster, &proto.name);
    let read = cluster_reader::read(&mut reader, proto);
    reader.finish(read)
}

/// Converts endpoints that EDS delivers.
///
/// # Errors
/// All findings, when one of them refuses the assignment.
pub fn endpoints(
    proto: &endpoint_proto::ClusterLoadAssignment,
    context: &Context<'_>,
) -> Conversion<Endpoints> {
    let mut reader = Reader::new(context, ResourceKind::ClusterLoadAssignment, &proto.cluster_name);
    let read = endpoint_reader::read(&mut reader, proto, super::address::Names::Forbidden);
    reader.finish(read)
}

/// Converts a secret.
///
/// # Errors
/// All findings, when one of them refuses the secret.
pub fn secret(proto: &tls_proto::Secret, context: &Context<'_>) -> Conversion<Secret> {
    let mut reader = Reader::new(context, ResourceKind::Secret, &proto.name);
    let read = secret_reader::read(&mut reader, proto);
    reader.finish(read)
}
