//! `weft.hbone.v1`: how our own proxies are told to carry opaque connections in streams of HTTP/2.

include!(concat!(env!("OUT_DIR"), "/weft.hbone.v1.rs"));

/// Name of the transport socket.
pub const UPSTREAM: &str = "weft.transport_sockets.hbone";
/// Name of the network filter.
pub const TERMINATE: &str = "weft.filters.network.hbone";
/// Port where proxies take HBONE (SD-01).
pub const PORT: u16 = 15_008;
/// Streams that one connection may have open, where nothing else is said (AM-06).
pub const MAX_STREAMS: u32 = 100;
