//! Settings of the whole mesh.

use std::time::Duration;

use weft_types::Name;

pub use weft_api::istio::sidecar::OutboundMode;

use crate::peer_authentication::MtlsMode;

/// Settings of the whole mesh (Istio's MeshConfig); the default is Istio's.
#[derive(Clone, Debug, PartialEq)]
pub struct MeshConfig {
    /// Trust domain of identities; `cluster.local`.
    pub trust_domain: Name,
    /// Trust domains that mean the same in policies (AP-09).
    pub trust_domain_aliases: Vec<Name>,
    /// Namespace whose policies are the mesh's; `istio-system`.
    pub root_namespace: Name,
    /// Domain of services; `cluster.local`.
    pub domain: Name,
    /// Name of the cluster; `Kubernetes`.
    pub cluster: Name,
    /// Network; empty is the default network.
    pub network: Name,
    /// Name of the mesh; the trust domain if empty.
    pub mesh_id: Name,
    /// What becomes of calls to unknown hosts; ALLOW_ANY.
    pub outbound: OutboundMode,
    /// Whether mutual TLS is used toward endpoints that take it (SD-11); true.
    pub auto_mtls: bool,
    /// What workloads without any PeerAuthentication take in; PERMISSIVE (PA-01).
    pub default_peer_mtls: MtlsMode,
    /// Longest time to connect to an endpoint; 10 s.
    pub connect_timeout: Duration,
    /// Longest time to wait for the first bytes when a protocol is to be detected; 0 waits for ever.
    pub detection_timeout: Duration,
    /// File of access logs; none by default.
    pub access_log: Option<Name>,
    /// Port on which sidecars take HTTP proxy requests; 0 is none.
    pub http_proxy_port: u16,
    /// Keepalive probes of connections to endpoints; the operating system's by default.
    pub tcp_keepalive: Option<TcpKeepalive>,
    /// Time between look-ups of DNS clusters; 60 s.
    pub dns_refresh: Duration,
    /// Who sees a VirtualService that does not say (`defaultVirtualServiceExportTo`); `*`.
    pub virtual_service_export_to: Vec<String>,
    /// Who sees a service that does not say (`defaultServiceExportTo`); `*`.
    pub service_export_to: Vec<String>,
    /// Who sees a DestinationRule that does not say (`defaultDestinationRuleExportTo`); `*`.
    pub destination_rule_export_to: Vec<String>,
    /// Whether the control plane has the Secrets that gateways name, and so speaks of each itself; false.
    pub secrets: bool,
}

/// Keepalive probes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpKeepalive {
    /// Lost probes before a connection counts as dead; 0 leaves it to the operating system.
    pub probes: u32,
    /// Idle time before the first probe; zero likewise.
    pub time: Duration,
    /// Time between probes; zero likewise.
    pub interval: Duration,
}

impl Default for MeshConfig {
    fn default() -> Self {
        let everyone = || vec!["*".to_owned()];
        Self {
            trust_domain: "cluster.local".into(),
            trust_domain_aliases: Vec::new(),
            root_namespace: "istio-system".into(),
            domain: "cluster.local".into(),
            cluster: "Kubernetes".into(),
            network: "".into(),
            mesh_id: "".into(),
            outbound: OutboundMode::AllowAny,
            auto_mtls: true,
            default_peer_mtls: MtlsMode::Permissive,
            connect_timeout: Duration::from_secs(10),
            detection_timeout: Duration::ZERO,
            access_log: None,
            http_proxy_port: 0,
            tcp_keepalive: None,
            dns_refresh: Duration::from_secs(60),
            virtual_service_export_to: everyone(),
            service_export_to: everyone(),
            destination_rule_export_to: everyone(),
            secrets: false,
        }
    }
}

impl MeshConfig {
    /// The name of the mesh, as telemetry and proxies tell it.
    #[must_use]
    pub fn mesh_name(&self) -> &Name {
        if self.mesh_id.is_empty() { &self.trust_domain } else { &self.mesh_id }
    }
}
