//! Chooses what upstream connections offer by ALPN (SD-10): a server tells by it that Istio's proxy is
//! at the other end, and which protocol comes.

use std::sync::Arc;

use weft_tables::cluster::{Cluster, MetadataValue, UpstreamVersion};
use weft_tables::istio::AlpnOverrides;
use weft_types::{Random, RequestHead, Version};

use crate::seam::{Context, Flow, HttpFilter};

/// The entry that the upstream connection reads.
const ALPN: &str = "envoy.network.application_protocols";

/// Istio's `alpn`.
#[derive(Debug)]
pub(crate) struct AlpnFilter {
    config: Arc<AlpnOverrides>,
}

impl AlpnFilter {
    pub(crate) fn new(config: Arc<AlpnOverrides>) -> Self {
        Self { config }
    }
}

/// The version that is spoken to the cluster; where ALPN decides, the one that is preferred.
fn version(cluster: &Cluster, downstream: Version) -> Version {
    match cluster.http.version {
        UpstreamVersion::Http1 => Version::Http11,
        UpstreamVersion::Http2 | UpstreamVersion::Alpn => Version::Http2,
        UpstreamVersion::Downstream => downstream,
    }
}

/// Whether a cluster keeps its own names (`istio.alpn_override: "false"`).
fn is_fixed(cluster: &Cluster) -> bool {
    match cluster.metadata.get("istio").map(|m| &**m) {
        Some(MetadataValue::Struct(istio)) => {
            matches!(istio.get("alpn_override"), Some(MetadataValue::String(text)) if &**text == "false")
        }
        _ => false,
    }
}

impl HttpFilter for AlpnFilter {
    fn on_request(&mut self, head: &mut RequestHead, _: bool, cx: &mut Context, _: &mut dyn Random) -> Flow {
        let Some(cluster) = cx.cluster.as_deref().filter(|c| !is_fixed(c)) else { return Flow::Continue };
        let names = match version(cluster, head.version) {
            Version::Http10 => &self.config.http10,
            Version::Http11 => &self.config.http11,
            _ => &self.config.http2,
        };
        if let Some(names) = names {
            cx.state.insert(ALPN.into(), names.clone());
        }
        Flow::Continue
    }
}

#[cfg(test)]
mod tests;
