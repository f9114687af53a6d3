//! Services.

use std::collections::BTreeMap;

use super::pod::Transport;
use crate::decode::record;
use crate::value::{IntOrString, Port};

record! {
    /// A service.
    partial struct Service {
        /// What is wanted.
        spec: ServiceSpec = optional "spec",
        /// What is.
        status: ServiceStatus = optional "status",
    }
}

record! {
    /// What a service is to be.
    partial struct ServiceSpec {
        /// `ClusterIP` (default), `NodePort`, `LoadBalancer` or `ExternalName`.
        kind: Option<String> = optional "type",
        /// Virtual address; `None` for a headless service.
        cluster_ip: Option<String> = optional "clusterIP",
        /// Virtual addresses of both families.
        cluster_ips: Vec<String> = optional "clusterIPs",
        /// Addresses beside those, which somebody else routes here.
        external_ips: Vec<String> = optional "externalIPs",
        /// The name that an `ExternalName` service stands for.
        external_name: Option<String> = optional "externalName",
        /// Ports.
        ports: Vec<ServicePort> = optional "ports",
        /// Labels of its pods; without any, its endpoints come from elsewhere.
        selector: BTreeMap<String, String> = optional "selector",
        /// `Cluster` (default) or `Local`: only endpoints of the caller's node.
        internal_traffic_policy: Option<String> = optional "internalTrafficPolicy",
        /// Which endpoints are preferred, such as `PreferClose`.
        traffic_distribution: Option<String> = optional "trafficDistribution",
        /// Whether endpoints count before they are ready.
        publish_not_ready_addresses: bool = optional "publishNotReadyAddresses",
    }
}

impl ServiceSpec {
    /// Whether it has no virtual address on purpose.
    #[must_use]
    pub fn is_headless(&self) -> bool {
        self.cluster_ip.as_deref() == Some("None")
    }

    /// All virtual addresses, the first one first; none if headless or not yet given.
    pub fn virtual_addresses(&self) -> impl Iterator<Item = &str> {
        let first = self.cluster_ip.iter().map(String::as_str);
        let others = self.cluster_ips.iter().map(String::as_str);
        first
            .clone()
            .chain(others.filter(move |ip| first.clone().all(|first| first != *ip)))
            .filter(|ip| *ip != "None")
    }
}

record! {
    /// A port of a service.
    partial struct ServicePort {
        /// Name, whose part before the first hyphen tells the protocol.
        name: Option<String> = optional "name",
        /// Number.
        port: Port = required_port "port",
        /// Port of the pods, by number or name; the same by default.
        target_port: Option<IntOrString> = optional "targetPort",
        /// Transport.
        protocol: Transport = optional "protocol",
        /// Protocol on top of it; goes before the name.
        app_protocol: Option<String> = optional "appProtocol",
        /// Port of the nodes.
        node_port: Option<u32> = optional "nodePort",
    }
}

record! {
    /// What a service is.
    partial struct ServiceStatus {
        /// Load balancer in front.
        load_balancer: LoadBalancerStatus = optional "loadBalancer",
    }
}

record! {
    /// A load balancer in front.
    partial struct LoadBalancerStatus {
        /// Its addresses.
        ingress: Vec<LoadBalancerIngress> = optional "ingress",
    }
}

record! {
    /// An address of a load balancer.
    partial struct LoadBalancerIngress {
        /// As an address.
        ip: Option<String> = optional "ip",
        /// As a name.
        hostname: Option<String> = optional "hostname",
    }
}
