//! Bytes counted for access logs and metrics.

/// Bytes of one stream, as access logs report them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StreamCounters {
    /// Bytes of heads and trailers sent, as on the wire (`%…_HEADER_BYTES_SENT%`).
    pub head_sent: u64,
    /// Body bytes sent, without framing (`%BYTES_SENT%`).
    pub body_sent: u64,
    /// All bytes sent, framing included (`%…_WIRE_BYTES_SENT%`).
    pub wire_sent: u64,
    /// Bytes of heads and trailers received, as on the wire.
    pub head_received: u64,
    /// Body bytes received, without framing (`%BYTES_RECEIVED%`).
    pub body_received: u64,
    /// All bytes received, framing included.
    pub wire_received: u64,
}

/// Bytes of one connection: what went through its socket (above TLS).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConnCounters {
    /// Bytes read.
    pub received: u64,
    /// Bytes written.
    pub sent: u64,
    /// Streams begun.
    pub streams: u64,
}
