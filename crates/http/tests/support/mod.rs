//! Shared by the tests: a runtime, two ends of a connection, a server from a handler.
#![allow(dead_code, unreachable_pub)]

use std::cell::Cell;
use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use weft_codec::{Limits, Side};
use weft_http::{AnyCodec, ClientConn, ConnOptions, Exchange, Frame, Io, RecvBody, ServerConn, StreamError};
use weft_types::{Headers, Method, RequestHead, ResponseHead, Version};

/// Runs a test on one thread; fails if it takes 20 s.
pub fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async {
        tokio::time::timeout(Duration::from_secs(20), test).await.expect("the test hangs")
    })
}

pub fn codec(version: Version, side: Side) -> AnyCodec {
    codec_with(version, side, Limits::default())
}

pub fn codec_with(version: Version, side: Side, limits: Limits) -> AnyCodec {
    match version {
        Version::Http2 => AnyCodec::http2(side, limits, "http"),
        _ => AnyCodec::http1(side, limits, "http"),
    }
}

pub fn server(version: Version, io: impl Io) -> ServerConn {
    ServerConn::new(io, codec(version, Side::Server), ConnOptions::default(), BytesMut::new())
}

pub fn client(version: Version, io: impl Io) -> ClientConn {
    ClientConn::new(io, codec(version, Side::Client), ConnOptions::default())
}

/// Accepts exchanges and runs the handler for each in a task of its own.
pub fn serve<F, H>(mut conn: ServerConn, handler: H) -> tokio::task::JoinHandle<()>
where
    F: Future<Output = ()> + 'static,
    H: Fn(Exchange) -> F + 'static,
{
    tokio::task::spawn_local(async move {
        while let Some(next) = conn.accept().await {
            if let Ok(exchange) = next {
                tokio::task::spawn_local(handler(exchange));
            }
        }
        let _ = tokio::time::timeout(Duration::from_secs(1), conn.close()).await;
    })
}

/// A client over a pipe in memory to a server that runs the handler.
pub fn connected<F, H>(version: Version, handler: H) -> (ClientConn, tokio::task::JoinHandle<()>)
where
    F: Future<Output = ()> + 'static,
    H: Fn(Exchange) -> F + 'static,
{
    let (near, far) = tokio::io::duplex(64 * 1024);
    let task = serve(server(version, far), handler);
    (client(version, near), task)
}

pub fn get(path: &str) -> RequestHead {
    RequestHead::get("test.example", path)
}

pub fn post(path: &str) -> RequestHead {
    RequestHead { method: Method::Post, ..get(path) }
}

pub fn with_length(mut head: RequestHead, length: usize) -> RequestHead {
    head.headers.append("content-length", length.to_string());
    head
}

pub fn status(code: u16) -> ResponseHead {
    ResponseHead::new(code)
}

/// A 200 with a length, so that HTTP/1.x needs no chunks.
pub fn sized(length: usize) -> ResponseHead {
    let mut head = status(200);
    head.headers.append("content-length", length.to_string());
    head
}

/// A body to its end: its bytes and its trailers.
pub async fn collect(body: &mut RecvBody) -> Result<(Vec<u8>, Option<Headers>), StreamError> {
    let mut bytes = Vec::new();
    let mut trailers = None;
    loop {
        match body.next().await? {
            Frame::Data(data) => bytes.extend_from_slice(&data),
            Frame::Trailers(fields) => trailers = Some(fields),
            Frame::End => return Ok((bytes, trailers)),
        }
    }
}

/// A GET and its whole response.
pub async fn fetch(conn: &ClientConn, path: &str) -> Result<(ResponseHead, Vec<u8>), StreamError> {
    let (_send, mut recv) = conn.send_request(&get(path), true).await.unwrap();
    let head = recv.head().await?;
    let (body, _) = collect(recv.body()).await?;
    Ok((*head, body))
}

/// Replies with the request's path.
pub async fn echo_path(mut exchange: Exchange) {
    let path = Bytes::copy_from_slice(exchange.head.path.as_bytes());
    exchange.reply.head(&sized(path.len()), false).await.unwrap();
    exchange.reply.data(path, true).await.unwrap();
}

/// Sends the request's body back as it comes.
pub async fn echo_body(mut exchange: Exchange) {
    exchange.reply.head(&status(200), false).await.unwrap();
    loop {
        let Ok(frame) = exchange.body.next().await else { return };
        let sent = match frame {
            Frame::Data(data) => exchange.reply.data(data, false).await,
            Frame::Trailers(fields) => exchange.reply.trailers(&fields).await,
            Frame::End => exchange.reply.data(Bytes::new(), true).await,
        };
        if sent.is_err() || exchange.body.is_end() && exchange.reply.data(Bytes::new(), true).await.is_ok() {
            return;
        }
    }
}

/// Lets other tasks run until nothing is left for them to do at once.
pub async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

/// Counts reads and writes that did something.
pub struct Counted<T> {
    io: T,
    pub calls: Rc<Calls>,
}

#[derive(Debug, Default)]
pub struct Calls {
    pub reads: Cell<u64>,
    pub writes: Cell<u64>,
}

impl<T> Counted<T> {
    pub fn new(io: T) -> (Self, Rc<Calls>) {
        let calls = Rc::new(Calls::default());
        (Self { io, calls: calls.clone() }, calls)
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Counted<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.io).poll_read(cx, buf);
        if result.is_ready() {
            self.calls.reads.set(self.calls.reads.get() + 1);
        }
        result
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Counted<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.calls.writes.set(self.calls.writes.get() + 1);
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.calls.writes.set(self.calls.writes.get() + 1);
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}
