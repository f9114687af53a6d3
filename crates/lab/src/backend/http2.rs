//! The HTTP/2 side of a backend, on the `h2` crate.

use super::http1::reply_body;
use super::{Server, record::Note, socket::handshake};
use crate::outcome::{Handshake, Seen, body_text};
use crate::table::{Breakage, Move, Reply};
use crate::wire::{Stand, Wire};
use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::sleep;

/// Serves one connection until either side ends it.
pub(crate) async fn serve(wire: Wire, start: Vec<u8>, server: Arc<Server>) {
    let tls = handshake(&wire);
    let mut builder = h2::server::Builder::new();
    builder.enable_connect_protocol();
    let Ok(mut connection) = builder.handshake::<_, Bytes>(Prefixed { start, wire }).await else { return };
    let hang_up = Arc::new(Notify::new());
    let goaway = Arc::new(Notify::new());
    loop {
        tokio::select! {
            // First, so that nothing more is written once a row wants the connection gone.
            biased;
            () = hang_up.notified() => return,
            () = goaway.notified() => connection.graceful_shutdown(),
            accepted = connection.accept() => {
                let Some(Ok((request, respond))) = accepted else { return };
                let stream = Stream {
                    server: server.clone(), tls: tls.clone(), hang_up: hang_up.clone(), goaway: goaway.clone(),
                };
                tokio::spawn(stream.run(request, respond));
            }
        }
    }
}

struct Stream {
    server: Arc<Server>,
    tls: Option<Handshake>,
    hang_up: Arc<Notify>,
    goaway: Arc<Notify>,
}

impl Stream {
    async fn run(self, request: Request<RecvStream>, respond: SendResponse<Bytes>) {
        let (head, mut body) = request.into_parts();
        let (note, reply) = self.server.admit(Seen {
            protocol: "HTTP/2".into(),
            method: head.method.to_string(),
            path: head.uri.path_and_query().map(ToString::to_string).unwrap_or_default(),
            authority: head.uri.authority().map(ToString::to_string).unwrap_or_default(),
            headers: list(&head.headers),
            tls: self.tls.clone(),
            ..Seen::default()
        });
        if !reply.early && reply.tunnel.is_none() {
            read_body(&mut body, &note).await;
        }
        let _ = self.answer(&reply, respond, &mut body, &note).await;
        if reply.early {
            read_body(&mut body, &note).await;
        }
        note.done();
    }

    async fn answer(
        &self,
        reply: &Reply,
        mut respond: SendResponse<Bytes>,
        body: &mut RecvStream,
        note: &Note,
    ) -> Result<(), h2::Error> {
        sleep(Duration::from_millis(reply.delay)).await;
        match reply.breaks {
            Some(Breakage::ResetBeforeHead) => {
                respond.send_reset(Reason::INTERNAL_ERROR);
                return Ok(());
            }
            Some(Breakage::Refused) => {
                respond.send_reset(Reason::REFUSED_STREAM);
                return Ok(());
            }
            Some(Breakage::CloseBeforeHead) => {
                self.hang_up.notify_one();
                return Ok(());
            }
            Some(Breakage::Hang) => {
                note.done();
                let _ = std::future::poll_fn(|cx| respond.poll_reset(cx)).await;
                return Ok(());
            }
            _ => {}
        }
        for status in &reply.interim {
            let head = Response::builder().status(*status).body(()).unwrap_or_default();
            respond.send_informational(head)?;
        }
        let bytes = Bytes::from(reply_body(reply, &self.server.name));
        let mut head = Response::builder().status(reply.status).body(()).unwrap_or_default();
        *head.headers_mut() = map(&[("x-backend".to_owned(), self.server.name.clone())]);
        head.headers_mut().extend(map(&reply.headers.clone().into_iter().collect::<Vec<_>>()));
        if let Some(moves) = &reply.tunnel {
            let stream = respond.send_response(head, false)?;
            tunnel(stream, body, moves, note).await;
            return Ok(());
        }
        if !reply.chunked && reply.trailers.is_empty() {
            head.headers_mut().insert("content-length", HeaderValue::from(bytes.len()));
        }
        let bare = bytes.is_empty() && reply.trailers.is_empty();
        let mut stream = respond.send_response(head, bare)?;
        if bare {
            return Ok(());
        }
        let (first, second) = (bytes.slice(..bytes.len() / 2), bytes.slice(bytes.len() / 2..));
        if reply.breaks == Some(Breakage::ResetAfterHead) {
            sleep(Duration::from_millis(30)).await;
            stream.send_reset(Reason::INTERNAL_ERROR);
            return Ok(());
        }
        write(&mut stream, first, false).await;
        if reply.breaks.is_some() || reply.body_delay > 0 {
            sleep(Duration::from_millis(reply.body_delay.max(30))).await;
        }
        match reply.breaks {
            Some(Breakage::ResetMidBody) => stream.send_reset(Reason::INTERNAL_ERROR),
            Some(Breakage::CloseMidBody) => self.hang_up.notify_one(),
            Some(Breakage::HangMidBody) => {
                note.done();
                let _ = std::future::poll_fn(|cx| stream.poll_reset(cx)).await;
            }
            _ => {
                write(&mut stream, second, reply.trailers.is_empty()).await;
                if !reply.trailers.is_empty() {
                    stream.send_trailers(map(&reply.trailers.clone().into_iter().collect::<Vec<_>>()))?;
                }
                if reply.breaks == Some(Breakage::Goaway) {
                    self.goaway.notify_one();
                }
            }
        }
        Ok(())
    }
}

async fn read_body(body: &mut RecvStream, note: &Note) {
    let mut bytes = Vec::new();
    let mut broken = false;
    while let Some(data) = body.data().await {
        let Ok(data) = data else {
            broken = true;
            break;
        };
        let _ = body.flow_control().release_capacity(data.len());
        bytes.extend_from_slice(&data);
    }
    let trailers = if broken { None } else { body.trailers().await.unwrap_or(None) };
    note.update(|seen| {
        seen.body = body_text(&bytes);
        seen.trailers = trailers.as_ref().map(list).unwrap_or_default();
        seen.broken = broken;
    });
}

/// Does moves on a stream: what an HTTP/2 tunnel can do of them.
async fn tunnel(mut stream: SendStream<Bytes>, body: &mut RecvStream, moves: &[Move], note: &Note) {
    let (received, _) = speak(&mut stream, body, moves).await;
    note.update(|seen| seen.body = body_text(&received));
}

/// Does moves on an HTTP/2 stream, from either side of it; gives what was received.
pub(crate) async fn speak(
    stream: &mut SendStream<Bytes>,
    body: &mut RecvStream,
    moves: &[Move],
) -> (Vec<u8>, Stand) {
    let mut received = Vec::new();
    let mut taken = 0;
    for step in moves {
        let until: Option<usize> = match step {
            Move::Send(text) => {
                write(stream, Bytes::from(text.clone()), false).await;
                continue;
            }
            Move::SendSize(size) => {
                write(stream, Bytes::from(crate::table::pattern(*size)), false).await;
                continue;
            }
            Move::Pause(ms) => {
                sleep(Duration::from_millis(*ms)).await;
                continue;
            }
            Move::HalfClose | Move::Close => {
                let _ = stream.send_data(Bytes::new(), true);
                continue;
            }
            Move::Reset => {
                stream.send_reset(Reason::CANCEL);
                return (received, Stand::Cut);
            }
            Move::Recv(size) => Some(taken + size),
            _ => None,
        };
        while until.is_none_or(|until| received.len() < until) {
            match tokio::time::timeout(crate::wire::PATIENCE, body.data()).await {
                Err(_) => return (received, Stand::Silent),
                Ok(None) => {
                    if *step == Move::Echo {
                        let _ = stream.send_data(Bytes::new(), true);
                    }
                    return (received, Stand::Ended);
                }
                Ok(Some(Err(_))) => return (received, Stand::Broken),
                Ok(Some(Ok(data))) => {
                    let _ = body.flow_control().release_capacity(data.len());
                    received.extend_from_slice(&data);
                    if *step == Move::Echo {
                        write(stream, data, false).await;
                    }
                }
            }
        }
        taken = until.unwrap_or(received.len());
    }
    (received, Stand::Open)
}

/// Sends all bytes as flow control permits; errors show on the receiving side.
pub(crate) async fn write(stream: &mut SendStream<Bytes>, mut bytes: Bytes, end: bool) {
    if bytes.is_empty() {
        if end {
            let _ = stream.send_data(bytes, true);
        }
        return;
    }
    while !bytes.is_empty() {
        stream.reserve_capacity(bytes.len());
        let granted = std::future::poll_fn(|cx| stream.poll_capacity(cx));
        let Ok(Some(Ok(granted))) = tokio::time::timeout(crate::wire::PATIENCE, granted).await else {
            return;
        };
        let part = bytes.split_to(granted.min(bytes.len()));
        let last = end && bytes.is_empty();
        if stream.send_data(part, last).is_err() {
            return;
        }
    }
}

/// Headers as a list.
pub(crate) fn list(headers: &HeaderMap) -> Vec<(String, String)> {
    headers
        .iter()
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect()
}

/// A list as headers; what `h2` could not send is left out.
pub(crate) fn map(list: &[(String, String)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in list {
        if let (Ok(name), Ok(value)) = (
            HeaderName::from_bytes(name.to_ascii_lowercase().as_bytes()),
            HeaderValue::from_bytes(value.as_bytes()),
        ) {
            map.append(name, value);
        }
    }
    map
}

/// A wire that first gives the bytes which were read to tell the protocol.
struct Prefixed {
    start: Vec<u8>,
    wire: Wire,
}

impl tokio::io::AsyncRead for Prefixed {
    fn poll_read(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
        buf: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        if self.start.is_empty() {
            return std::pin::Pin::new(&mut self.wire).poll_read(cx, buf);
        }
        let ready = self.start.len().min(buf.remaining());
        buf.put_slice(&self.start[..ready]);
        self.start.drain(..ready);
        std::task::Poll::Ready(Ok(()))
    }
}

impl tokio::io::AsyncWrite for Prefixed {
    fn poll_write(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
        buf: &[u8],
    ) -> std::task::Poll<std::io::Result<usize>> {
        std::pin::Pin::new(&mut self.wire).poll_write(cx, buf)
    }

    fn poll_flush(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::pin::Pin::new(&mut self.wire).poll_flush(cx)
    }

    fn poll_shutdown(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::pin::Pin::new(&mut self.wire).poll_shutdown(cx)
    }
}
