//! Istio's extensions of Envoy, as data.

use std::time::Duration;

/// The entry of filter state where Istio's policies look for who is at the other end of a connection.
pub const PEER_PRINCIPAL: &str = "io.istio.peer_principal";
/// The same for who is at this end.
pub const LOCAL_PRINCIPAL: &str = "io.istio.local_principal";

/// Who is at the other end of a call, told and learned in the headers `x-envoy-peer-metadata` and
/// `x-envoy-peer-metadata-id` (`io.istio.http.peer_metadata.Config`, SD-14).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeerMetadata {
    /// The client is known by its request's headers, which go no further.
    pub learn_downstream: bool,
    /// The server is known by its response's headers, which go no further.
    pub learn_upstream: bool,
    /// Clients that told who they are learn who answers.
    pub tell_downstream: Option<Telling>,
    /// Servers learn who asks.
    pub tell_upstream: Option<Telling>,
    /// Labels beyond the usual ones that are told and kept.
    pub labels: Vec<Box<str>>,
}

/// How something is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Telling {
    /// Not to clusters outside the mesh: `PassthroughCluster`, and those with `istio.external` in their
    /// metadata.
    pub skip_external: bool,
}

/// ALPN names that upstream connections offer, by the version of HTTP spoken on them; `None`: as the
/// cluster says (`istio.envoy.config.filter.http.alpn.v2alpha1.FilterConfig`, SD-10). Each is a list
/// separated by commas.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AlpnOverrides {
    /// HTTP/1.0.
    pub http10: Option<Box<str>>,
    /// HTTP/1.1.
    pub http11: Option<Box<str>>,
    /// HTTP/2.
    pub http2: Option<Box<str>>,
}

/// Istio's metrics (`stats.PluginConfig`, TM-01 … TM-03).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct IstioStats {
    /// A service that the control plane does not name is named by the request's host (default true).
    pub host_fallback: bool,
    /// Time between reports of a connection that lasts; default 5 s. `None`: only at its end.
    pub tcp_report: Option<Duration>,
    /// Changes to the metrics, in order.
    pub changes: Vec<MetricChange>,
}

impl Default for IstioStats {
    fn default() -> Self {
        Self { host_fallback: true, tcp_report: Some(Duration::from_secs(5)), changes: Vec::new() }
    }
}

/// A change to one metric, or to all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct MetricChange {
    /// The metric without `istio_`; empty: all.
    pub metric: Box<str>,
    /// It is not kept.
    pub drop: bool,
    /// Labels with a value of their own, by name.
    pub set: Vec<(Box<str>, Box<str>)>,
    /// Labels to leave out.
    pub remove: Vec<Box<str>>,
}
