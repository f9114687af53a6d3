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
//!
//! ```
//! use bytes::{Bytes, BytesMut};
//! use weft_codec::{Limits, Side};
//! use weft_http::{AnyCodec, ClientConn, ConnOptions, Frame, ServerConn};
//! use weft_types::{RequestHead, ResponseHead};
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
//! # tokio::task::LocalSet::new().block_on(&runtime, async {
//! let (near, far) = tokio::io::duplex(1024);
//! let codec = AnyCodec::http2(Side::Server, Limits::default(), "http");
//! let mut server = ServerConn::new(far, codec, ConnOptions::default(), BytesMut::new());
//! tokio::task::spawn_local(async move {
//!     while let Some(Ok(mut exchange)) = server.accept().await {
//!         tokio::task::spawn_local(async move {
//!             let _ = exchange.reply.head(&ResponseHead::new(200), false).await;
//!             let _ = exchange.reply.data(Bytes::from_static(b"hello"), true).await;
//!         });
//!     }
//! });
//!
//! let codec = AnyCodec::http2(Side::Client, Limits::default(), "http");
//! let conn = ClientConn::new(near, codec, ConnOptions::default());
//! let (_send, mut recv) = conn.send_request(&RequestHead::get("a.example", "/"), true).await.unwrap();
//! assert_eq!(recv.head().await.unwrap().status, 200);
//! assert!(matches!(recv.body().next().await, Ok(Frame::Data(data)) if data == "hello"));
//! # });
//! ```
#![forbid(unsafe_code)]

mod any_codec;
mod client;
pub mod clock;
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
mod socket;
mod stream;
mod wake;

pub use any_codec::AnyCodec;
pub use client::ClientConn;
pub use counters::{ConnCounters, StreamCounters};
pub use error::{ConnError, EndReason, StreamError};
pub use handle::ConnHandle;
pub use io::Io;
pub use options::{ConnOptions, ErrorFields, ReadBuffers};
pub use pool::{Pool, PoolCounts, PoolOptions};
pub use receiving::Frame;
pub use recv::{RecvBody, RecvResponse};
pub use send::{SendBody, SendReply};
pub use server::{Exchange, ServerConn};
