//! Tells the other ends who this is, and learns who they are (SD-14).

use std::sync::Arc;

use weft_tables::cluster::{Cluster, MetadataValue};
use weft_tables::istio::{PeerMetadata, Telling};
use weft_types::{Headers, Random, RequestHead, ResponseHead};

use crate::peers::{ID, METADATA};
use crate::seam::{Context, Flow, HttpFilter};
use crate::workload::Workload;

/// Istio's `peer_metadata`.
#[derive(Debug)]
pub(crate) struct PeerMetadataFilter {
    config: Arc<PeerMetadata>,
    /// The client sent its id.
    id_came: bool,
    /// The client sent its metadata.
    metadata_came: bool,
}

impl PeerMetadataFilter {
    pub(crate) fn new(config: Arc<PeerMetadata>) -> Self {
        Self { config, id_came: false, metadata_came: false }
    }

    /// Reads the headers and takes them out: they are between proxies.
    fn learn(&self, fields: &mut Headers, cx: &Context) -> Option<Arc<Workload>> {
        let peer = fields.get(METADATA).and_then(|value| cx.peers.memory.peer(value, &self.config.labels));
        fields.remove(METADATA);
        fields.remove(ID);
        peer
    }

    fn tell(&self, fields: &mut Headers, cx: &Context, telling: Telling, (id, metadata): (bool, bool)) {
        let node = &cx.shared.node;
        if node.id.is_empty() || is_skipped(telling, cx.cluster.as_deref()) {
            return;
        }
        if id {
            fields.set(ID, node.id.as_bytes());
        }
        if metadata {
            fields.set(METADATA, node.header(&self.config.labels, &cx.peers.memory).as_bytes());
        }
    }
}

/// Whether a cluster's servers are told nothing: they are outside the mesh, or it says so
/// (`istio.disable_mx`).
fn is_skipped(telling: Telling, cluster: Option<&Cluster>) -> bool {
    let Some(cluster) = cluster else { return false };
    let Some(MetadataValue::Struct(istio)) = cluster.metadata.get("istio").map(|m| &**m) else {
        return telling.skip_external && &*cluster.name == "PassthroughCluster";
    };
    let says = |field: &str| matches!(istio.get(field), Some(MetadataValue::Bool(true)));
    let external = says("external") || &*cluster.name == "PassthroughCluster";
    says("disable_mx") || (telling.skip_external && external)
}

impl HttpFilter for PeerMetadataFilter {
    fn on_request(&mut self, head: &mut RequestHead, _: bool, cx: &mut Context, _: &mut dyn Random) -> Flow {
        if self.config.learn_downstream {
            self.id_came = head.headers.contains(ID);
            self.metadata_came = head.headers.contains(METADATA);
            cx.peers.downstream = self.learn(&mut head.headers, cx);
        }
        if let Some(telling) = self.config.tell_upstream {
            self.tell(&mut head.headers, cx, telling, (true, true));
        }
        Flow::Continue
    }

    fn on_response(&mut self, head: &mut ResponseHead, _: bool, cx: &mut Context) -> Flow {
        if self.config.learn_upstream {
            cx.peers.upstream = self.learn(&mut head.headers, cx);
        }
        if let Some(telling) = self.config.tell_downstream {
            // Who did not tell is not told.
            self.tell(&mut head.headers, cx, telling, (self.id_came, self.metadata_came));
        }
        Flow::Continue
    }
}

#[cfg(test)]
mod tests;
