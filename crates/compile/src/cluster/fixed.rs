//! Clusters that each sidecar has, whatever services there are (SD-06).

use weft_proto::any::pack;
use weft_proto::envoy::config::cluster::v3::Cluster;
use weft_proto::envoy::config::cluster::v3::cluster::{ClusterDiscoveryType, DiscoveryType, LbPolicy};

use super::name::{BLACK_HOLE, PASSTHROUGH};
use super::pool::{self, HttpVersion, NameFromRequest};
use crate::message::duration;
use crate::view::View;

/// Where calls to the mesh's unknown go: to the address that was called.
pub(super) fn passthrough(view: &View<'_>) -> Cluster {
    let options = pool::http_options(HttpVersion::Client, None, NameFromRequest::default());
    let mut cluster = Cluster {
        name: PASSTHROUGH.to_owned(),
        cluster_discovery_type: Some(ClusterDiscoveryType::Type(DiscoveryType::OriginalDst.into())),
        connect_timeout: Some(duration(view.mesh.connect_timeout)),
        lb_policy: LbPolicy::ClusterProvided.into(),
        circuit_breakers: Some(pool::circuit_breakers(None, None)),
        ..Default::default()
    };
    cluster.typed_extension_protocol_options.insert(super::HTTP_OPTIONS.to_owned(), pack(&options));
    cluster
}

/// Where calls end that may not go anywhere.
pub(super) fn black_hole(view: &View<'_>) -> Cluster {
    Cluster {
        name: BLACK_HOLE.to_owned(),
        cluster_discovery_type: Some(ClusterDiscoveryType::Type(DiscoveryType::Static.into())),
        connect_timeout: Some(duration(view.mesh.connect_timeout)),
        ..Default::default()
    }
}
