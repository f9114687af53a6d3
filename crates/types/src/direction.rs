//! Which way a listener faces.

/// The role of a listener in the mesh. Envoy's `traffic_direction` gives the first two; gateways,
/// waypoints and node proxies are told by the node's type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Direction {
    /// No role said: a plain reverse proxy.
    #[default]
    Unspecified,
    /// Toward the workload.
    Inbound,
    /// From the workload.
    Outbound,
    /// At the mesh's edge.
    Gateway,
    /// For a service, on behalf of many workloads.
    Waypoint,
    /// For all workloads of a node.
    Node,
}
