//! Protocol codecs without I/O: bytes in, events out; commands in, bytes out.
//!
//! A codec is one end of one connection. It never touches a socket, a clock or a task: the caller
//! feeds received bytes, takes [`Event`]s, gives commands and writes what [`Codec::output`] holds.
//! No type of an HTTP library crosses this seam, so that another protocol can join as one more codec.
//!
//! ```text
//! socket ──bytes──► Codec::receive ──► Event ──► pipeline ──► Codec::send_* ──bytes──► socket
//! ```
//!
//! Invariants: hostile input yields an error or a reset, never a panic; every buffer has a limit
//! from [`Limits`]; ambiguous framing is refused, not guessed.
#![forbid(unsafe_code)]

pub mod detect;
pub mod event;
pub mod hpack;
pub mod http1;
pub mod http2;
pub mod limits;
pub mod output;
pub mod proxy_protocol;

pub use event::{Codec, CodecError, ErrorReply, Event, ResetReason, Side, StreamId};
pub use http1::Http1;
pub use http2::Http2;
pub use limits::Limits;
pub use output::Output;
