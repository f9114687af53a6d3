//! What the codec tells about bytes, as one line of text.

use bytes::BytesMut;
use weft_codec::{Codec, CodecError, Event, Http1, Limits, Side, StreamId};
use weft_types::{Headers, Method, RequestHead, ResponseHead};

use crate::table::Asked;

/// Words of a transcript; neighbouring data are one word.
#[derive(Default)]
struct Transcript {
    words: Vec<String>,
    data: Vec<u8>,
}

impl Transcript {
    fn say(&mut self, word: impl Into<String>) {
        self.flush();
        self.words.push(word.into());
    }

    fn flush(&mut self) {
        if !self.data.is_empty() {
            self.words.push(format!("data {}", shown(&std::mem::take(&mut self.data))));
        }
    }

    fn event(&mut self, event: &Event) {
        match event {
            Event::Request { head, end, .. } => {
                let version = head.version.as_str();
                let target = format!("{}://{}{}", head.scheme, head.authority, abbreviated(&head.path));
                self.say(format!("{} {target} {version} {}", head.method.as_str(), fields(&head.headers)));
                self.end(*end);
            }
            Event::Response { head, end, .. } => {
                let reason = abbreviated(&head.reason);
                let version = head.version.as_str();
                self.say(format!("{} {version} {reason:?} {}", head.status, fields(&head.headers)));
                self.end(*end);
            }
            Event::Data { data, end, .. } => {
                self.data.extend_from_slice(data);
                self.end(*end);
            }
            Event::Trailers { trailers, .. } => {
                self.say(format!("trailers {}", fields(trailers)));
                self.say("end");
            }
            Event::Reset { reason, .. } => self.say(format!("reset {reason:?}")),
            Event::Refused { .. } => self.say("refused"),
            Event::GoAway { .. } => self.say("goaway"),
            Event::Writable { .. } | Event::HeartbeatAck => {}
        }
    }

    fn end(&mut self, end: bool) {
        if end {
            self.say("end");
        }
    }

    fn refused(&mut self, error: &CodecError) {
        match error.status {
            Some(status) => self.say(format!("{status} {}", error.word)),
            None => self.say(format!("refused {}", error.word)),
        }
    }

    fn line(mut self) -> String {
        self.flush();
        self.words.join(" | ")
    }
}

/// Feeds a server `piece` bytes at a time and answers each whole request with 204.
pub(crate) fn of_request(bytes: &[u8], piece: usize, limits: Limits) -> String {
    let mut codec = Http1::new(Side::Server, limits, "http");
    let mut told = Transcript::default();
    let mut input = BytesMut::new();
    for part in bytes.chunks(piece.min(bytes.len().max(1))) {
        input.extend_from_slice(part);
        loop {
            match codec.receive(&mut input) {
                Ok(Some(event)) => {
                    told.event(&event);
                    if let Some(stream) = ended(&event) {
                        codec
                            .send_response(stream, &ResponseHead::new(204), true)
                            .expect("the exchange is open");
                    }
                }
                Ok(None) => break,
                Err(error) => {
                    told.refused(&error);
                    return told.line();
                }
            }
        }
    }
    if codec.is_finished() {
        told.say("close");
    } else if codec.open_streams() == 1 && matches!(codec.receive(&mut BytesMut::from("x")), Ok(None)) {
        told.say("held");
    } else if codec.open_streams() == 1 || !input.is_empty() {
        told.say("more");
    }
    told.line()
}

fn ended(event: &Event) -> Option<StreamId> {
    match event {
        Event::Request { stream, end: true, .. }
        | Event::Data { stream, end: true, .. }
        | Event::Trailers { stream, .. } => Some(*stream),
        _ => None,
    }
}

/// Feeds a client `piece` bytes at a time, then the end of the connection.
pub(crate) fn of_response(bytes: &[u8], piece: usize, asked: Asked, limits: Limits) -> String {
    let mut codec = Http1::new(Side::Client, limits, "http");
    let mut request = RequestHead::get("a", "/");
    match asked {
        Asked::Get => {}
        Asked::Head => request.method = Method::Head,
        Asked::Connect => request.method = Method::Connect,
        Asked::Upgrade => {
            request.headers.append("connection", "upgrade");
            request.headers.append("upgrade", "websocket");
        }
    }
    let stream = codec.send_request(&request, asked != Asked::Connect).expect("the connection is fresh");
    let mut told = Transcript::default();
    let mut input = BytesMut::new();
    for part in bytes.chunks(piece.min(bytes.len().max(1))) {
        input.extend_from_slice(part);
        loop {
            match codec.receive(&mut input) {
                Ok(Some(event)) => {
                    told.event(&event);
                    if begins_tunnel(&event, asked) {
                        told.say("tunnel");
                        codec.become_tunnel(stream);
                    }
                }
                Ok(None) => break,
                Err(error) => {
                    told.refused(&error);
                    return told.line();
                }
            }
        }
    }
    while let Some(event) = codec.receive_eof().expect("no end is an error") {
        told.event(&event);
    }
    told.line()
}

fn begins_tunnel(event: &Event, asked: Asked) -> bool {
    let Event::Response { head, .. } = event else { return false };
    head.status == 101 || (asked == Asked::Connect && (200..300).contains(&head.status))
}

fn fields(headers: &Headers) -> String {
    if headers.len() > 6 {
        return format!("[{} fields]", headers.len());
    }
    let all = headers.iter().map(|(name, value)| {
        format!(
            "{}: {}",
            abbreviated(&name.escape_ascii().to_string()),
            abbreviated(&value.escape_ascii().to_string())
        )
    });
    format!("[{}]", all.collect::<Vec<_>>().join("; "))
}

fn shown(data: &[u8]) -> String {
    format!("\"{}\"", data.escape_ascii())
}

fn abbreviated(text: &str) -> String {
    if text.len() > 80 { format!("<{} bytes>", text.len()) } else { text.to_owned() }
}
