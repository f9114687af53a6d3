//! Parts that several kinds share.

pub(crate) mod connection_pool;
pub(crate) mod destination;
pub(crate) mod http_match;
pub(crate) mod http_route;
pub(crate) mod load_balancer;
pub(crate) mod port;
pub(crate) mod status;
pub(crate) mod text_match;
pub(crate) mod tls;
pub(crate) mod traffic_policy;
pub(crate) mod wasm;
pub(crate) mod workload;
