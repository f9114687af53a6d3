//! Asynchronous HTTP connections over the codecs of `weft-codec`, and pools of them.
//!
//! ```text
//!  listener ─► ServerConn ─► Exchange { head, body, reply } ─► pipeline ─► ClientConn ─► upstream
//!                 │                                                           ▲
//!                 └── socket ⇄ Codec ⇄ streams                         Pool ──┘
//! ```
//!
//! The room before is the accepted byte stream ([`Io`]: plain TCP, TLS), the room after is the
//! pipeline, which holds the handles of one stream: [`RecvBody`] and [`SendReply`] downstream,
//! [`SendBody`] and [`RecvResponse`] upstream. Timers, retries and routing are the pipeline's.
//!
//! **Who moves the bytes.** An HTTP/1.x connection has no task: the futures of its stream's handles
//! read and write inline, so that a small exchange costs one read and one write a side and no wake
//! of another task. An HTTP/2 connection is moved by one future for all its streams: the server's
//! `accept` loop, or the client's driver task; handles trade with it through shared state and wakers.
//!
//! **When bytes leave.** On an inline connection a head without an end waits for what follows. Body
//! bytes, ends, interim heads, `flush`, and any wait on a handle of the connection write it.
//!
//! Invariants:
//! - All is of one thread (`tokio::task::LocalSet`); state is borrowed within one poll, never over an
//!   await.
//! - Every wait is safe to cancel, and no wake is lost if one of several waiting futures goes away.
//! - What waits is bounded: received bytes by [`ConnOptions::input_limit`] (HTTP/1.x) or the
//!   codec's windows (HTTP/2), bytes to send by [`ConnOptions::high_watermark`].
//! - A handle dropped before its message's end resets its stream; no stream outlives its handles.
#![forbid(unsafe_code)]

mod any_codec;
mod client;
mod connection;
mod counters;
mod dispatch;
mod error;
mod handle;
mod io;
mod options;
pub mod pool;
mod receiving;
mod recv;
mod send;
mod sending;
mod server;
mod shared;
mod stream;
mod wake;

pub use any_codec::AnyCodec;
pub use client::ClientConn;
pub use counters::{ConnCounters, StreamCounters};
pub use error::{ConnError, EndReason, StreamError};
pub use handle::ConnHandle;
pub use io::Io;
pub use options::{ConnOptions, ReadBuffers};
pub use pool::{Pool, PoolCounts, PoolOptions};
pub use receiving::Frame;
pub use recv::{RecvBody, RecvResponse};
pub use send::{SendBody, SendReply};
pub use server::{Exchange, ServerConn};
