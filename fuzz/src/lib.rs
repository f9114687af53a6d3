//! What must hold of the codec whatever bytes come: one module a fuzz target.
//!
//! ```text
//! bytes ─► Dice (options, cuts) ─► codec fed whole ──────┐
//!                              └─► codec fed in pieces ──┴─► the same events, within the limits
//!                                                            └─► sent on ─► read again: the same message
//! ```
//!
//! | target | feeds | and holds |
//! |---|---|---|
//! | [`http1_server`] | requests | cuts change nothing; what is sent on over HTTP/1.1 or HTTP/2 is read as the same single message |
//! | [`http1_client`] | responses | the same |
//! | [`http1_heads`] | heads and bodies to send | what is taken for sending is read as it was meant, or it is refused |
//! | [`chunked`] | chunked bodies | the same body and the same end as a second reader of RFC 9112 finds |
//! | [`http2`] | frames, either side | cuts change nothing; what is written in answer is bounded by what came; requests survive the way to HTTP/1.1 |
//! | [`http2_pair`] | commands to two ends | each stream arrives as it was sent, whatever the order and the windows |
//! | [`hpack`] | header blocks | what was decoded survives encoding; the tables stay in step |
//! | [`proxy_protocol`] | PROXY headers | a longer prefix never contradicts; what is written is read the same |
//! | [`detect`] | first bytes of connections | the same; a ClientHello is read the same however it is cut into records |
//!
//! A fault shows as a panic. Nothing here needs a socket or a clock.
#![allow(missing_docs, reason = "each module has one entry, `run`")]

pub mod chunked;
pub mod detect;
pub mod dice;
pub mod forward;
pub mod hpack;
pub mod http1_client;
pub mod http1_heads;
pub mod http1_server;
pub mod http2;
pub mod http2_pair;
pub mod proxy_protocol;
pub mod seeds;
pub mod told;
