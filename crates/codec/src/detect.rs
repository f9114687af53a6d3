//! What a client speaks, told from its first bytes.
//!
//! Pure readers over a peeked prefix: the caller peeks, asks, and peeks more on `NeedMore`. They take
//! nothing, keep nothing, and give the same answer for the same bytes however those came in; so a
//! prefix is read again from its start each time, which its limit keeps cheap.
//!
//! ```text
//! listener ─peeked prefix─► tls (SNI, ALPN) ─► http (1.0 | 1.1 | h2c) ─► filter chain match
//! ```
//!
//! Source: Envoy's listener filters `tls_inspector` and `http_inspector`; inventory row SD-09.

pub mod http;
pub mod tls;
