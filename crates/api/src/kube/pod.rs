//! Pods.

use crate::decode::{record, words};
use crate::value::Port;

record! {
    /// A pod.
    partial struct Pod {
        /// What is wanted.
        spec: PodSpec = optional "spec",
        /// What is.
        status: PodStatus = optional "status",
    }
}

record! {
    /// What a pod is to be.
    partial struct PodSpec {
        /// Service account; `default` if unset.
        service_account_name: Option<String> = optional "serviceAccountName",
        /// Node it runs on.
        node_name: Option<String> = optional "nodeName",
        /// Host name.
        hostname: Option<String> = optional "hostname",
        /// Service that gives it a DNS name.
        subdomain: Option<String> = optional "subdomain",
        /// Whether it shares the node's network, and so takes no part in the mesh.
        host_network: bool = optional "hostNetwork",
        /// Containers.
        containers: Vec<Container> = optional "containers",
    }
}

record! {
    /// A container.
    partial struct Container {
        /// Name.
        name: String = required "name",
        /// Ports.
        ports: Vec<ContainerPort> = optional "ports",
    }
}

record! {
    /// A port of a container.
    partial struct ContainerPort {
        /// Name, which services may refer to.
        name: Option<String> = optional "name",
        /// Number.
        container_port: Port = required_port "containerPort",
        /// Protocol.
        protocol: Transport = optional "protocol",
    }
}

words! {
    /// Transport protocol of a port.
    enum Transport {
        /// TCP.
        Tcp = "TCP",
        /// UDP.
        Udp = "UDP",
        /// SCTP.
        Sctp = "SCTP",
    }
}

record! {
    /// What a pod is.
    partial struct PodStatus {
        /// `Pending`, `Running`, `Succeeded`, `Failed` or `Unknown`.
        phase: Option<String> = optional "phase",
        /// Address.
        pod_ip: Option<String> = optional "podIP",
        /// Addresses of both families.
        pod_ips: Vec<PodIp> = optional "podIPs",
        /// Conditions.
        conditions: Vec<Condition> = optional "conditions",
    }
}

impl PodStatus {
    /// All addresses, the first one first.
    pub fn addresses(&self) -> impl Iterator<Item = &str> {
        let first = self.pod_ip.iter().map(String::as_str);
        let others = self.pod_ips.iter().filter_map(|ip| ip.ip.as_deref());
        first.clone().chain(others.filter(move |ip| first.clone().all(|first| first != *ip)))
    }

    /// Whether the condition `Ready` is `True`.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.conditions.iter().any(|c| c.kind == "Ready" && c.status.as_deref() == Some("True"))
    }
}

record! {
    /// An address.
    partial struct PodIp {
        /// The address.
        ip: Option<String> = optional "ip",
    }
}

record! {
    /// A condition of a pod.
    partial struct Condition {
        /// Which.
        kind: String = required "type",
        /// `True`, `False` or `Unknown`.
        status: Option<String> = optional "status",
    }
}
