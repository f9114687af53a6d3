//! ServiceEntry and WorkloadEntry: hosts and workloads that Kubernetes does not know (SE, WE rows).

use std::collections::BTreeMap;

use crate::decode::{record, words};
use crate::value::{Port, WorkloadSelector};

record! {
    /// A host in the registry.
    strict struct ServiceEntry {
        /// Names, with `*.` wildcards (SE-01).
        hosts: Vec<String> = required "hosts",
        /// Virtual addresses or ranges.
        addresses: Vec<String> = optional "addresses",
        /// Ports.
        ports: Vec<ServicePort> = optional "ports",
        /// Whether it is a part of the mesh (SE-02).
        location: Location = optional "location",
        /// How addresses of endpoints are found (SE-03).
        resolution: Resolution = optional "resolution",
        /// Endpoints.
        endpoints: Vec<WorkloadEntry> = optional "endpoints",
        /// Labels of workloads that are endpoints, instead of a list (SE-04).
        workload_selector: Option<WorkloadSelector> = optional "workloadSelector",
        /// Namespaces that see it: `*` (default), `.`, `~` or names.
        export_to: Vec<String> = optional "exportTo",
        /// Names of which the servers' certificates must hold one.
        subject_alt_names: Vec<String> = optional "subjectAltNames",
    }
}

record! {
    /// A port of a host.
    strict struct ServicePort {
        /// Number.
        number: Port = required_port "number",
        /// Name.
        name: String = required "name",
        /// Protocol; by the name, else opaque TCP, if unset.
        protocol: Option<String> = optional "protocol",
        /// Port of the endpoints; the same by default.
        target_port: Option<Port> = optional "targetPort",
    }
}

words! {
    /// Whether a host is a part of the mesh.
    enum Location {
        /// No: neither mutual TLS nor policies.
        MeshExternal = "MESH_EXTERNAL",
        /// Yes.
        MeshInternal = "MESH_INTERNAL",
    }
}

words! {
    /// How addresses of endpoints are found.
    enum Resolution {
        /// The caller has found it.
        None = "NONE",
        /// They are listed.
        Static = "STATIC",
        /// By DNS, every answer.
        Dns = "DNS",
        /// By DNS, one answer in turns.
        DnsRoundRobin = "DNS_ROUND_ROBIN",
        /// By DNS, for each name that a wildcard covers.
        DynamicDns = "DYNAMIC_DNS",
    }
}

record! {
    /// A workload that is no pod, or an endpoint of a ServiceEntry (WE-01).
    strict struct WorkloadEntry {
        /// Address, DNS name, or `unix://` and a path; absent only with a network, whose gateway is meant.
        address: Option<String> = optional "address",
        /// Ports by the name of the service's port; the service's own by default.
        ports: BTreeMap<String, Port> = optional "ports",
        /// Labels.
        labels: BTreeMap<String, String> = optional "labels",
        /// Network; endpoints of one network reach each other directly.
        network: Option<String> = optional "network",
        /// `region/zone/subzone`.
        locality: Option<String> = optional "locality",
        /// Weight among endpoints; 1 by default.
        weight: Option<u32> = optional "weight",
        /// Service account, which its identity names.
        service_account: Option<String> = optional "serviceAccount",
    }
}
