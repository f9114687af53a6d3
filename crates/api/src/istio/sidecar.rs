//! Sidecar: what the proxies of some workloads see and open (SC rows).

use super::connection_pool::ConnectionPool;
use super::gateway::ServerTls;
use super::virtual_service::Destination;
use crate::decode::{record, words};
use crate::value::{Port, WorkloadSelector};

record! {
    /// The proxies of workloads with certain labels; without a selector, of the whole namespace (SC-01).
    strict struct Sidecar {
        /// Labels of the workloads.
        workload_selector: Option<WorkloadSelector> = optional "workloadSelector",
        /// Ports that are opened for callers; those of the workload's services by default (SC-02).
        ingress: Vec<IngressListener> = optional "ingress",
        /// Hosts that the workload sees; all by default (SC-04).
        egress: Vec<EgressListener> = optional "egress",
        /// Limits of inbound connections (SC-03).
        inbound_connection_pool: Option<ConnectionPool> = optional "inboundConnectionPool",
        /// What becomes of calls to unknown hosts; the mesh's setting by default (SC-05).
        outbound_traffic_policy: Option<OutboundTrafficPolicy> = optional "outboundTrafficPolicy",
    }
}

record! {
    /// A port of a sidecar.
    strict struct SidecarPort {
        /// Number.
        number: Option<Port> = optional "number",
        /// Protocol; found out by looking if unset.
        protocol: Option<String> = optional "protocol",
        /// Name.
        name: Option<String> = optional "name",
        /// Port of the pod, where it differs.
        target_port: Option<Port> = deprecated "targetPort" ("use defaultEndpoint"),
    }
}

record! {
    /// A port that is opened for callers.
    strict struct IngressListener {
        /// Port.
        port: Option<SidecarPort> = required "port",
        /// Address to listen on; the workload's own by default.
        bind: Option<String> = optional "bind",
        /// How traffic comes to the listener (SC-06).
        capture_mode: CaptureMode = optional "captureMode",
        /// Where the application listens: an address and port, or `unix://` and a path.
        default_endpoint: Option<String> = optional "defaultEndpoint",
        /// TLS, where mutual TLS of the mesh is off.
        tls: Option<ServerTls> = optional "tls",
        /// Limits, instead of `inboundConnectionPool`.
        connection_pool: Option<ConnectionPool> = optional "connectionPool",
    }
}

record! {
    /// Hosts that the workload sees, on one port or on all.
    strict struct EgressListener {
        /// Port; all others if unset.
        port: Option<SidecarPort> = optional "port",
        /// Address to listen on.
        bind: Option<String> = optional "bind",
        /// How traffic comes to the listener.
        capture_mode: CaptureMode = optional "captureMode",
        /// Hosts, as `namespace/name`; the namespace may be `*`, `.` or `~`.
        hosts: Vec<String> = required "hosts",
    }
}

words! {
    /// How traffic comes to a listener.
    enum CaptureMode {
        /// As the proxy is set up.
        Default = "DEFAULT",
        /// By redirection.
        Iptables = "IPTABLES",
        /// By the listener's own address.
        None = "NONE",
    }
}

record! {
    /// What becomes of calls to unknown hosts.
    strict struct OutboundTrafficPolicy {
        /// Mode. A block without one means REGISTRY_ONLY, being protobuf's zero.
        mode: OutboundMode = optional "mode",
        /// Where they go instead.
        egress_proxy: Option<Destination> = optional "egressProxy",
    }
}

words! {
    /// What becomes of calls to unknown hosts.
    enum OutboundMode {
        /// They fail.
        RegistryOnly = "REGISTRY_ONLY",
        /// They go where the caller asked.
        AllowAny = "ALLOW_ANY",
    }
}
