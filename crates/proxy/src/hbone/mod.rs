//! HBONE between our own proxies: opaque connections as streams of HTTP/2 CONNECT over mutual TLS (AM-06).
//!
//! ```text
//! client ─► tcp ─► outbound ─► pool ─► connect        inbound ─► stream ─► listener's chain ─► tcp ─► server
//!                     └── relay ══ tunnel ══ one stream of many ══ tunnel ══ relay ──┘
//! ```
//!
//! The wire is ambient's: port 15008, ALPN `h2`, certificates of the mesh on both sides, `:authority` the
//! destination. To a client a stream is a connection, and to a server too: chains, policies, counters and
//! logs see one for each.
//!
//! Invariants:
//! - A stream's destination is the address at which its connection came in: nobody gets anywhere else
//!   through us.
//! - The peer of a stream is that of its connection, verified; the chain that takes the stream would have
//!   verified it in the same way.
//! - The windows of all streams of a connection fit into the connection's: a reader that stalls holds up
//!   its own stream alone, and what is held for it is bounded.
//! - A connection belongs to one state of the secrets: a newer one gets connections of its own, and those
//!   whose peer it would not let in end.

mod buffers;
mod connect;
mod head;
mod inbound;
mod outbound;
mod pool;
mod relay;
mod stream;
mod tunnel;
mod watch;

use weft_codec::Limits;

pub(crate) use inbound::serve;
pub(crate) use outbound::connect;
pub(crate) use pool::Tunnels;
pub(crate) use relay::relay;
pub(crate) use tunnel::Tunnel;

/// Window of a stream, bytes: what is held for a reader that stalls, and what may be under way.
const STREAM_WINDOW: u32 = 1024 * 1024;
/// Bytes that wait to be written on a connection above which its streams wait.
const HIGH_WATERMARK: usize = 256 * 1024;

/// Limits of both ends' codecs.
fn limits(max_streams: u32) -> Limits {
    Limits {
        max_concurrent_streams: max_streams,
        initial_stream_window: STREAM_WINDOW,
        initial_connection_window: STREAM_WINDOW.saturating_mul(max_streams),
        ..Limits::default()
    }
}
