//! HTTP/1.0 and HTTP/1.1 (RFC 9112) for a proxy.
//!
//! One [`Http1`] is one end of one connection. At most one exchange is open at a time; a pipelined
//! request stays in the caller's buffer until the exchange before it is over in both directions.
//!
//! ```text
//! bytes ─► lines ─► fields ─► request | response ─► framing ─► body ─► Event      (receive)
//! send_* ─► encode (head) ─► writer (body framing) ─► Output                      (send)
//! ```
//!
//! Verdicts follow Envoy 1.40 (its balsa parser): the same status and detail word for the same bytes.
//! Where we are stricter, because two readers of the same bytes could disagree, the conformance
//! table in `tests/http1_conformance` names the entry of `docs/differences.md`.
//!
//! The codec owns framing and nothing else: it writes `content-length`, `transfer-encoding` and the
//! `connection` options that follow from its own state, and removes `transfer-encoding` and `host`
//! from what it parsed. Other hop-by-hop fields are the pipeline's.

mod body;
mod chars;
mod chunked;
mod connection;
mod encode;
mod fields;
mod framing;
mod lines;
mod method;
mod nominated;
mod number;
mod reason;
mod reply;
mod request;
mod response;
mod spelling;
mod target;
mod verdict;
mod writer;

pub use chunked::MAX_CHUNK_LINE_BYTES;
pub use connection::{DEFAULT_RESPONSE_HEAD_BYTES, Http1, MAX_EARLY_TUNNEL_BYTES};
pub(crate) use reason::phrase;
