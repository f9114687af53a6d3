//! Endpoint slices: where the pods of a service are.

use super::pod::Transport;
use crate::decode::{record, words};
use crate::value::Port;

record! {
    /// A part of a service's endpoints; the label `kubernetes.io/service-name` says of which.
    partial struct EndpointSlice {
        /// Family of the addresses.
        address_type: AddressType = optional "addressType",
        /// Endpoints.
        endpoints: Vec<Endpoint> = optional "endpoints",
        /// Ports of each of them.
        ports: Vec<EndpointPort> = optional "ports",
    }
}

words! {
    /// Family of addresses.
    enum AddressType {
        /// IPv4.
        Ipv4 = "IPv4",
        /// IPv6.
        Ipv6 = "IPv6",
        /// DNS names.
        Fqdn = "FQDN",
    }
}

record! {
    /// An endpoint.
    partial struct Endpoint {
        /// Addresses; the first is used.
        addresses: Vec<String> = optional "addresses",
        /// State.
        conditions: EndpointConditions = optional "conditions",
        /// Host name, for headless services.
        hostname: Option<String> = optional "hostname",
        /// Node.
        node_name: Option<String> = optional "nodeName",
        /// Zone.
        zone: Option<String> = optional "zone",
        /// The pod.
        target_ref: Option<TargetRef> = optional "targetRef",
    }
}

record! {
    /// State of an endpoint.
    partial struct EndpointConditions {
        /// Whether it takes requests; unset counts as true.
        ready: Option<bool> = optional "ready",
        /// Whether it could, even while it terminates.
        serving: Option<bool> = optional "serving",
        /// Whether it terminates.
        terminating: Option<bool> = optional "terminating",
    }
}

record! {
    /// The object behind an endpoint.
    partial struct TargetRef {
        /// Kind, `Pod` mostly.
        kind: Option<String> = optional "kind",
        /// Namespace.
        namespace: Option<String> = optional "namespace",
        /// Name.
        name: Option<String> = optional "name",
    }
}

record! {
    /// A port of endpoints.
    partial struct EndpointPort {
        /// Name of the service's port.
        name: Option<String> = optional "name",
        /// Number; unset means all.
        port: Option<Port> = optional "port",
        /// Transport.
        protocol: Transport = optional "protocol",
        /// Protocol on top of it.
        app_protocol: Option<String> = optional "appProtocol",
    }
}
