//! Calls to the workload of a sidecar.
//!
//! ```text
//! services that select the workload ─┐
//! Sidecar.ingress, instead of them ──┴► port ─► shape (mTLS × protocol) ─► chain ─► listener
//!                                        └────► cluster: where the application listens
//! ```
//!
//! Redirected traffic comes to one listener, `virtualInbound`, with chains for each port and for all
//! others (SD-07). Without redirection (embedded mode, SC-06) each port has a listener of its own, on
//! the workload's address.
//!
//! Our own proxies also take each other's opaque connections as streams of HBONE, on a listener that hands
//! them to those above (`hbone`).
//!
//! # Invariants
//! - Each port's chains follow from its protocol and its mode alone (`shape`): a STRICT port has no chain
//!   that takes plaintext.
//! - The application is called at the address that the caller called, from 127.0.0.6, or at the endpoint
//!   that was given; never at a service's address.

mod chain;
mod cluster;
mod hbone;
mod inspector;
mod listener;
mod port;
mod route;
mod shape;

use std::sync::Arc;

use weft_model::{MtlsMode, PeerMtls, SidecarScope, Snapshot, Workload};
use weft_proto::envoy::config::cluster::v3::Cluster;
use weft_proto::envoy::config::listener::v3::{Filter, Listener};
use weft_proto::envoy::extensions::filters::network::http_connection_manager::v3::HttpFilter;

use weft_proto::resource::{Resource, ResourceSet};

use crate::filter::Context;
use crate::proxy::{Interception, Proxy};
use crate::security::{TrustDomains, authorization};
use crate::view::View;
pub use hbone::CONNECT_TERMINATE;
use port::InboundPort;

/// Name of the listener that redirected traffic comes to.
pub const VIRTUAL_INBOUND: &str = "virtualInbound";
/// Port of it (SD-01).
pub const VIRTUAL_INBOUND_PORT: u16 = 15_006;
/// Name of the cluster for ports that no service has.
pub const INBOUND_PASSTHROUGH: &str = "InboundPassthroughCluster";

/// What a sidecar needs for calls to its workload.
#[derive(Clone, Debug, Default)]
pub struct Inbound {
    /// Listeners.
    pub listeners: Vec<Listener>,
    /// Clusters: the application.
    pub clusters: Vec<Cluster>,
}

/// What the parts of this module are made for.
struct Ground<'a> {
    context: Context<'a>,
    scope: Arc<SidecarScope>,
    workload: Option<&'a Arc<Workload>>,
    mtls: PeerMtls,
    domains: TrustDomains,
    http_authorization: Vec<HttpFilter>,
    tcp_authorization: Vec<Filter>,
}

impl<'a> Ground<'a> {
    fn new(snapshot: &'a Snapshot, proxy: &'a Proxy) -> Self {
        let found = snapshot.workload(&proxy.namespace, &proxy.name);
        let workload = found.or_else(|| proxy.address().and_then(|address| snapshot.workload_at(address)));
        // Labels of the object are those that policies mean; a proxy only tells its own.
        let labels = workload.map_or(&proxy.labels, |workload| &workload.labels);
        let policies = snapshot.authorization_policies(&proxy.namespace, labels);
        let domains = TrustDomains::new(&snapshot.mesh.trust_domain, &snapshot.mesh.trust_domain_aliases);
        Self {
            context: Context { mesh: &snapshot.mesh, proxy },
            scope: snapshot.sidecar_scope(&proxy.namespace, labels),
            workload,
            mtls: snapshot.peer_mtls(&proxy.namespace, labels),
            http_authorization: authorization::http_filters(&policies, &domains),
            tcp_authorization: authorization::network_filters(&policies, &domains),
            domains,
        }
    }

    /// Whether traffic is redirected to the proxy.
    fn is_redirected(&self) -> bool {
        self.context.proxy.interception != Interception::None
    }

    /// All addresses of the workload's family.
    fn wildcard(&self) -> &'static str {
        if self.is_v6() { "::" } else { "0.0.0.0" }
    }

    fn is_v6(&self) -> bool {
        self.context.proxy.address().is_some_and(|address| address.is_ipv6())
    }

    fn mode(&self, port: &InboundPort) -> MtlsMode {
        self.mtls.of(port.number)
    }
}

/// Adds the listeners and clusters for calls to the workload.
pub fn resources(view: &View<'_>, set: &mut ResourceSet) {
    let Inbound { listeners, clusters } = inbound(view.snapshot, view.proxy);
    for listener in listeners {
        set.insert(Resource::pack(listener.name.as_str(), &listener));
    }
    for cluster in clusters {
        set.insert(Resource::pack(cluster.name.as_str(), &cluster));
    }
}

/// Listeners and clusters for calls to the workload.
#[must_use]
pub fn inbound(snapshot: &Snapshot, proxy: &Proxy) -> Inbound {
    let ground = Ground::new(snapshot, proxy);
    let ports = port::ports(&ground, snapshot);
    let mut listeners = listener::listeners(&ground, &ports);
    listeners.extend(hbone::listener(&ground));
    Inbound { listeners, clusters: cluster::clusters(&ground, &ports) }
}
