//! Names of clusters (SD-08): other tools read them.

/// The cluster of calls to the mesh's unknown, where they may go.
pub const PASSTHROUGH: &str = "PassthroughCluster";
/// The cluster that has no endpoints, for calls that may not go anywhere.
pub const BLACK_HOLE: &str = "BlackHoleCluster";

/// `outbound|9080|v1|reviews.default.svc.cluster.local`; without subset its place is empty.
#[must_use]
pub fn outbound(port: u16, subset: &str, host: &str) -> String {
    format!("outbound|{port}|{subset}|{host}")
}

/// The server name by which gateways of the mesh recognize the cluster:
/// `outbound_.9080_.v1_.reviews.default.svc.cluster.local`.
#[must_use]
pub fn server_name(port: u16, subset: &str, host: &str) -> String {
    format!("outbound_.{port}_.{subset}_.{host}")
}
