//! One end of one HTTP/1.x connection.

use bytes::{Buf, Bytes, BytesMut};
use memchr::memchr;
use weft_types::{Headers, Method, RequestHead, ResponseHead, Version};

use super::body::{Body, Piece};
use super::chunked::Chunked;
use super::encode::{self, Next, Persistence};
use super::framing::{Asked, Framing};
use super::lines;
use super::verdict::{HEADERS_TOO_LARGE, bad, misuse, refuse};
use super::writer::Writer;
use super::{reply, request, response};
use crate::{Codec, CodecError, ErrorReply, Event, Limits, Output, ResetReason, Side, StreamId};

/// Most bytes that [`Codec::send_data`] takes for a tunnel before [`Codec::become_tunnel`]: they are
/// kept until the other side agrees to the tunnel. [`Codec::capacity`] is 0 meanwhile, so a caller
/// that heeds it sends none.
pub const MAX_EARLY_TUNNEL_BYTES: usize = 64 * 1024;

/// Largest response head that Envoy's client takes by default, in bytes (80 KiB): what a caller puts
/// into [`Limits::max_head_bytes`] of an upstream connection.
pub const DEFAULT_RESPONSE_HEAD_BYTES: usize = 80 * 1024;

/// The codec of HTTP/1.0 and HTTP/1.1, for either side.
///
/// What its events and commands mean here, beyond [`Codec`]:
/// - A request that asks for an upgrade is an ordinary message and `end`s as its framing says; CONNECT
///   never has `end`. Input behind either is held back until the response decides.
/// - After a 101, or a 2xx to CONNECT, neither side reads on before [`Codec::become_tunnel`].
/// - `Connection: close` of a response is followed by [`Event::GoAway`].
/// - A server's client that half-closes gives its open exchange up ([`ResetReason::ConnectionClosed`]),
///   as Envoy takes it. An upstream that closes within a message broke the protocol
///   ([`ResetReason::Protocol`]); before the first byte of one it closed the connection.
/// - `head.reason` of a response is not sent; the canonical phrase is.
#[derive(Debug)]
pub struct Http1 {
    side: Side,
    limits: Limits,
    scheme: Box<str>,
    output: Output,
    last: StreamId,
    exchange: Option<Exchange>,
    receiving: Receiving,
    /// An event that follows the one just given.
    following: Option<Event>,
    drain: Drain,
    /// The client's request says that it is the last.
    closes: bool,
    /// That request is answered.
    said_last: bool,
}

/// The receiving half of the connection.
#[derive(Debug)]
enum Receiving {
    /// A head comes next: on a server of the next request, on a client of the open exchange's
    /// response. `scanned` bytes of it have been searched for its end.
    Head { scanned: usize },
    /// A body comes.
    Body(Body),
    /// The message is over, or a tunnel is not agreed on yet: nothing is read until the exchange ends
    /// or the tunnel begins.
    Held,
    /// Raw bytes come.
    Tunnel,
    /// Nothing comes any more.
    Closed,
}

/// The open exchange.
#[derive(Debug)]
struct Exchange {
    stream: StreamId,
    asked: Asked,
    /// The request came by HTTP/1.0 and 1.0 is served (server).
    http10: bool,
    /// The connection may persist after it.
    keep_alive: bool,
    /// The peer's message is over.
    received: bool,
    tunnel: bool,
    sending: Sending,
}

/// The sending half of an exchange.
#[derive(Debug)]
enum Sending {
    /// The response's head is to be sent (server).
    Head,
    /// A body is being sent.
    Body(Writer),
    /// The tunnel is not agreed on yet; what was sent early waits.
    Tunnel { early: BytesMut, end: bool },
    /// All is sent.
    Done,
}

/// How far the connection is on the way to its end by our own will.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Drain {
    No,
    /// The next response says `connection: close`.
    Announced,
    /// Besides, an idle connection is over.
    Now,
}

impl Http1 {
    /// A codec of a fresh connection. `scheme` (`http` or `https`) is the transport's and goes into
    /// the heads of requests that name none; only a server needs it.
    #[must_use]
    pub fn new(side: Side, limits: Limits, scheme: &str) -> Self {
        Self {
            side,
            limits,
            scheme: scheme.into(),
            output: Output::new(),
            last: StreamId(0),
            exchange: None,
            receiving: Receiving::Head { scanned: 0 },
            following: None,
            drain: Drain::No,
            closes: false,
            said_last: false,
        }
    }

    /// Whether the client has said that its request was the last, all of it has come, and it is answered:
    /// nothing more is to be expected of it (server).
    #[must_use]
    pub fn said_last(&self) -> bool {
        self.said_last
    }

    fn receive_head(&mut self, input: &mut BytesMut) -> Result<Option<Event>, CodecError> {
        let Receiving::Head { scanned } = &mut self.receiving else { return Ok(None) };
        if *scanned == 0 && self.side == Side::Server {
            input.advance(lines::empty_lines(input));
        }
        if self.side == Side::Client && self.exchange.is_none() {
            // Whoever sends before it is asked answers the next request with it, perhaps another
            // client's (response splitting).
            return if input.is_empty() { Ok(None) } else { Err(bad("a response without a request")) };
        }
        let fresh = memchr(b'\n', input.get(..*scanned).unwrap_or_default()).is_none();
        let end = lines::head_end(input, scanned);
        if end.unwrap_or(input.len()) > self.limits.max_head_bytes {
            let reason = format!("head larger than {} bytes", self.limits.max_head_bytes);
            return Err(refuse(431, HEADERS_TOO_LARGE, reason));
        }
        let Some(end) = end else {
            // What is no HTTP need not be waited out: its end may never come.
            if fresh && self.side == Side::Server {
                request::check_line(input, &self.limits)?;
            }
            return Ok(None);
        };
        let head = input.split_to(end);
        match self.side {
            Side::Server => self.request(&head).map(Some),
            Side::Client => self.response(&head).map(Some),
        }
    }

    fn request(&mut self, head: &[u8]) -> Result<Event, CodecError> {
        let request = request::parse(head, &self.limits, &self.scheme)?;
        self.closes = !request.keep_alive;
        self.last = StreamId(self.last.0.wrapping_add(1));
        let asked = Asked {
            head: request.head.method == Method::Head,
            connect: request.head.method == Method::Connect,
            upgrade: request.upgrade,
        };
        self.exchange = Some(Exchange {
            stream: self.last,
            asked,
            http10: request.head.version == Version::Http10,
            keep_alive: request.keep_alive,
            received: false,
            tunnel: false,
            sending: Sending::Head,
        });
        let end = self.begin_body(request.framing);
        Ok(Event::Request { stream: self.last, head: Box::new(request.head), end })
    }

    fn response(&mut self, head: &[u8]) -> Result<Event, CodecError> {
        let Some(exchange) = &mut self.exchange else { return Err(bad("a response without a request")) };
        let stream = exchange.stream;
        let response = response::parse(head, exchange.asked, &self.limits)?;
        if response.head.is_interim() {
            self.receiving = Receiving::Head { scanned: 0 };
            return Ok(Event::Response { stream, head: Box::new(response.head), end: false });
        }
        let tunnel = response.framing == Framing::Tunnel;
        if !response.keep_alive && !tunnel {
            exchange.keep_alive = false;
            self.following = Some(Event::GoAway { last: stream, code: 0 });
        }
        if !tunnel && matches!(exchange.sending, Sending::Tunnel { .. }) {
            // Refused: what was meant for the tunnel has nowhere to go, and the server may have read
            // the start of it as something else.
            exchange.sending = Sending::Done;
            exchange.keep_alive &= !exchange.asked.connect;
        }
        let end = self.begin_body(response.framing);
        Ok(Event::Response { stream, head: Box::new(response.head), end })
    }

    /// Goes on from a head to its body; returns whether the message is over already.
    fn begin_body(&mut self, framing: Framing) -> bool {
        self.receiving = match framing {
            Framing::Empty => {
                self.message_received();
                return true;
            }
            Framing::Length(length) => Receiving::Body(Body::Length(length)),
            Framing::Chunked => Receiving::Body(Body::Chunked(Chunked::new())),
            Framing::UntilClose => Receiving::Body(Body::UntilClose),
            Framing::Tunnel => Receiving::Held,
        };
        false
    }

    fn receive_body(&mut self, input: &mut BytesMut) -> Result<Option<Event>, CodecError> {
        let Some(stream) = self.exchange.as_ref().map(|exchange| exchange.stream) else { return Ok(None) };
        let Receiving::Body(body) = &mut self.receiving else { return Ok(None) };
        let Some(piece) = body.read(input, &self.limits)? else { return Ok(None) };
        Ok(Some(match piece {
            Piece::Data { data, end } => {
                if end {
                    self.message_received();
                }
                Event::Data { stream, data, end }
            }
            Piece::Trailers(trailers) => {
                self.message_received();
                Event::Trailers { stream, trailers }
            }
        }))
    }

    fn receive_tunnel(&mut self, input: &mut BytesMut) -> Option<Event> {
        let stream = self.exchange.as_ref()?.stream;
        let data = input.split().freeze();
        (!data.is_empty()).then_some(Event::Data { stream, data, end: false })
    }

    /// The peer's message is over.
    fn message_received(&mut self) {
        self.receiving = Receiving::Held;
        if let Some(exchange) = &mut self.exchange {
            if exchange.tunnel {
                self.receiving = Receiving::Tunnel;
                return;
            }
            exchange.received = true;
        }
        self.finish();
    }

    /// Ends the exchange once both halves are over, and makes ready for the next.
    fn finish(&mut self) {
        let Some(exchange) = &self.exchange else { return };
        if !exchange.received || !matches!(exchange.sending, Sending::Done) {
            return;
        }
        let persists = exchange.keep_alive && !exchange.tunnel;
        self.said_last = self.closes && !exchange.tunnel;
        self.exchange = None;
        self.receiving = if persists { Receiving::Head { scanned: 0 } } else { Receiving::Closed };
    }

    /// Nothing more can come of the connection.
    fn abandon(&mut self) {
        self.exchange = None;
        self.receiving = Receiving::Closed;
    }

    fn open(&mut self, stream: StreamId) -> Result<&mut Exchange, CodecError> {
        let exchange = self.exchange.as_mut().filter(|exchange| exchange.stream == stream);
        exchange.ok_or_else(|| misuse(format!("stream {} is not open", stream.0)))
    }

    /// Sends data or an end through the exchange's writer.
    fn send(
        &mut self,
        stream: StreamId,
        data: Bytes,
        trailers: Option<&Headers>,
        end: bool,
    ) -> Result<(), CodecError> {
        self.open(stream)?;
        let Some(exchange) = &mut self.exchange else { return Ok(()) };
        let sent = match &mut exchange.sending {
            Sending::Body(writer) if end => writer
                .data(&mut self.output, data, false)
                .and_then(|()| writer.end(&mut self.output, trailers, self.limits.proper_case)),
            Sending::Body(writer) => writer.data(&mut self.output, data, false),
            Sending::Tunnel { early, end: ended } => {
                if *ended || early.len() + data.len() > MAX_EARLY_TUNNEL_BYTES {
                    return Err(misuse("more data than fits before the tunnel is agreed on"));
                }
                early.extend_from_slice(&data);
                *ended = end;
                return Ok(());
            }
            Sending::Head => return Err(misuse("body before the response's head")),
            Sending::Done => return Err(misuse("body after the message's end")),
        };
        if sent.is_err() {
            // The peer can't make sense of what it got: no further message may follow.
            exchange.keep_alive = false;
            return sent;
        }
        if end {
            exchange.sending = Sending::Done;
            self.finish();
        }
        Ok(())
    }

    /// Goes on from a head that was written to its body.
    fn begin_sending(&mut self, next: Next, end: bool) {
        let Some(exchange) = &mut self.exchange else { return };
        exchange.sending = match next {
            Next::Tunnel => Sending::Tunnel { early: BytesMut::new(), end },
            Next::Body(_) if end => Sending::Done,
            Next::Body(writer) => Sending::Body(writer),
        };
        self.finish();
    }

    fn receive_any(&mut self, input: &mut BytesMut) -> Result<Option<Event>, CodecError> {
        match self.receiving {
            Receiving::Head { .. } => self.receive_head(input),
            Receiving::Body(_) => self.receive_body(input),
            Receiving::Tunnel => Ok(self.receive_tunnel(input)),
            Receiving::Held => Ok(None),
            Receiving::Closed => {
                // What comes after the end belongs to nobody and must not pile up.
                input.clear();
                Ok(None)
            }
        }
    }
}

impl Codec for Http1 {
    fn receive(&mut self, input: &mut BytesMut) -> Result<Option<Event>, CodecError> {
        if let Some(event) = self.following.take() {
            return Ok(Some(event));
        }
        let in_head = self.side == Side::Server && matches!(self.receiving, Receiving::Head { .. });
        self.receive_any(input).map_err(|error| {
            self.receiving = Receiving::Closed;
            if self.side == Side::Client {
                self.abandon();
            }
            CodecError { status: error.status.filter(|_| self.side == Side::Server), in_head, ..error }
        })
    }

    fn receive_eof(&mut self) -> Result<Option<Event>, CodecError> {
        if let Some(event) = self.following.take() {
            return Ok(Some(event));
        }
        let receiving = std::mem::replace(&mut self.receiving, Receiving::Closed);
        let Some(exchange) = &mut self.exchange else { return Ok(None) };
        let stream = exchange.stream;
        let in_message = match receiving {
            Receiving::Body(Body::UntilClose) | Receiving::Tunnel => {
                exchange.received = true;
                exchange.keep_alive = false;
                self.finish();
                return Ok(Some(Event::Data { stream, data: Bytes::new(), end: true }));
            }
            // A tunnel whose receiving half has ended goes on in the other direction.
            Receiving::Closed if exchange.tunnel => return Ok(None),
            Receiving::Body(_) => true,
            Receiving::Head { scanned } => scanned > 0,
            Receiving::Held | Receiving::Closed => false,
        };
        self.abandon();
        let reason = match self.side {
            Side::Client if in_message => ResetReason::Protocol,
            _ => ResetReason::ConnectionClosed,
        };
        Ok(Some(Event::Reset { stream, reason }))
    }

    fn send_request(&mut self, head: &RequestHead, end: bool) -> Result<StreamId, CodecError> {
        if !self.can_open() {
            return Err(misuse("the connection takes no request now"));
        }
        let upgrade = encode::asks_upgrade(head);
        let next = encode::request(&mut self.output, head, upgrade, end, self.limits.proper_case)?;
        self.last = StreamId(self.last.0.wrapping_add(1));
        self.exchange = Some(Exchange {
            stream: self.last,
            asked: Asked {
                head: head.method == Method::Head,
                connect: head.method == Method::Connect,
                upgrade,
            },
            http10: false,
            keep_alive: !encode::connection_options(&head.headers).0,
            received: false,
            tunnel: false,
            sending: Sending::Head,
        });
        self.begin_sending(next, end);
        Ok(self.last)
    }

    fn send_response(&mut self, stream: StreamId, head: &ResponseHead, end: bool) -> Result<(), CodecError> {
        let draining = self.drain != Drain::No;
        let exchange = self.open(stream)?;
        if !matches!(exchange.sending, Sending::Head) {
            return Err(misuse("a second response head"));
        }
        let (asked, http10) = (exchange.asked, exchange.http10);
        if !(100..=999).contains(&head.status) || (head.status == 101 && !asked.upgrade) {
            return Err(misuse(format!("status {} can't be sent here", head.status)));
        }
        if head.is_interim() {
            // HTTP/1.0 knows no interim responses.
            let proper_case = self.limits.proper_case;
            return if http10 { Ok(()) } else { encode::interim(&mut self.output, head, proper_case) };
        }
        let tunnel_refused = asked.connect && !(200..300).contains(&head.status);
        let keep_alive = exchange.keep_alive && !draining && !tunnel_refused;
        let persistence = Persistence { keep_alive, http10, proper_case: self.limits.proper_case };
        let (next, keep_alive) = encode::response(&mut self.output, head, asked, persistence, end)?;
        if let Some(exchange) = &mut self.exchange {
            // A tunnel that ends with the head which grants it is none.
            let tunnel_over = next == Next::Tunnel && end;
            exchange.keep_alive = keep_alive && !tunnel_over;
            exchange.received |= tunnel_refused || tunnel_over;
            if tunnel_over {
                exchange.sending = Sending::Done;
                self.finish();
                return Ok(());
            }
        }
        self.begin_sending(next, end);
        Ok(())
    }

    fn send_data(&mut self, stream: StreamId, data: Bytes, end: bool) -> Result<(), CodecError> {
        self.send(stream, data, None, end)
    }

    fn send_trailers(&mut self, stream: StreamId, trailers: &Headers) -> Result<(), CodecError> {
        let trailers = self.limits.http1_trailers.then_some(trailers);
        self.send(stream, Bytes::new(), trailers, true)
    }

    fn reset(&mut self, stream: StreamId, _reason: ResetReason) {
        if self.open(stream).is_ok() {
            self.abandon();
            self.following = None;
        }
    }

    /// HTTP/1.x has no flow control of its own, so that is all or nothing; the caller bounds what
    /// waits in [`Codec::output`].
    fn capacity(&self, stream: StreamId) -> usize {
        match &self.exchange {
            Some(Exchange { stream: open, sending: Sending::Body(_), .. }) if *open == stream => usize::MAX,
            _ => 0,
        }
    }

    fn consumed(&mut self, _stream: StreamId, _bytes: usize) {}

    fn output(&mut self) -> &mut Output {
        &mut self.output
    }

    fn can_open(&self) -> bool {
        let idle = matches!(self.receiving, Receiving::Head { .. }) && self.exchange.is_none();
        self.side == Side::Client && self.drain == Drain::No && idle
    }

    fn open_streams(&self) -> usize {
        usize::from(self.exchange.is_some())
    }

    fn is_finished(&self) -> bool {
        let over = match self.receiving {
            Receiving::Closed => true,
            _ if self.side == Side::Client => self.drain != Drain::No,
            _ => self.drain == Drain::Now,
        };
        over && self.exchange.is_none()
    }

    fn start_drain(&mut self, last_call: bool) {
        self.drain = if last_call || self.drain == Drain::Now { Drain::Now } else { Drain::Announced };
    }

    fn heartbeat(&mut self) -> bool {
        false
    }

    fn error_reply(&mut self, error: &CodecError, with: &ErrorReply) {
        let unanswered =
            self.exchange.as_ref().is_none_or(|exchange| matches!(exchange.sending, Sending::Head));
        if self.side == Side::Server && unanswered {
            reply::write(&mut self.output, error, with, self.limits.proper_case);
        }
        self.abandon();
    }

    fn become_tunnel(&mut self, stream: StreamId) {
        if self.open(stream).is_err() {
            return;
        }
        let Some(exchange) = &mut self.exchange else { return };
        exchange.tunnel = true;
        exchange.received = false;
        if matches!(self.receiving, Receiving::Held) {
            self.receiving = Receiving::Tunnel;
        }
        if let Sending::Tunnel { early, end } = &mut exchange.sending {
            self.output.push(early.split().freeze());
            exchange.sending = if *end { Sending::Done } else { Sending::Body(Writer::Raw) };
        } else if matches!(exchange.sending, Sending::Done) {
            // The upgrade request was a whole message; the tunnel opens its direction again.
            exchange.sending = Sending::Body(Writer::Raw);
        }
        if matches!(exchange.sending, Sending::Body(_)) {
            self.following = Some(Event::Writable { stream });
        }
    }

    fn version(&self) -> Version {
        Version::Http11
    }

    fn side(&self) -> Side {
        self.side
    }
}
