//! HEADERS and CONTINUATION: header blocks and what they open.

use super::closed::Closed;
use super::error_code::Violation;
use super::incoming::{Incoming, RequestRules, Section, Unusable};
use super::stream::{Receiving, Sending, Stream};
use super::{ErrorCode, FrameHeader, Http2, SendWindow, flag, frame};
use crate::{Event, Side, StreamId};

/// Compressed bytes that a header block may have, for each byte that a head may have decoded:
/// a block up to here is decoded and costs its stream, one above costs the connection.
const BLOCK_BYTES_PER_HEAD_BYTE: usize = 4;
/// CONTINUATION frames that a block may have whatever their size.
const MIN_CONTINUATIONS: usize = 16;
/// Bytes that each further CONTINUATION frame must bring on average.
const CONTINUATION_BYTES: usize = 1024;

/// A header block that goes on in CONTINUATION frames.
#[derive(Debug)]
pub(super) struct HeaderBlock {
    opened_by: Opener,
    bytes: Vec<u8>,
    frames: usize,
}

/// What the HEADERS frame of a block said.
#[derive(Clone, Copy, Debug)]
struct Opener {
    stream: u32,
    end: bool,
    /// A PRIORITY part that names the stream itself.
    depends_on_itself: bool,
}

/// What is to be done with a header block once it is decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    /// A new request.
    Request,
    /// The response to ours.
    Response,
    /// The end of a body.
    Trailers,
    /// Nothing.
    Ignore,
    /// Reset the stream.
    Refuse(ErrorCode),
}

impl Http2 {
    pub(super) fn on_headers(&mut self, header: &FrameHeader, payload: &[u8]) -> Result<(), Violation> {
        if header.stream == 0 {
            return Err(Violation::protocol("HEADERS on stream 0"));
        }
        let mut fragment = frame::strip_padding(header, payload)?;
        let mut depends_on_itself = false;
        if header.has(flag::PRIORITY) {
            let (Some(dependency), Some(rest)) = (frame::read_31_bits(fragment), fragment.get(5..)) else {
                return Err(Violation::frame_size("HEADERS too short for its priority"));
            };
            depends_on_itself = dependency == header.stream;
            fragment = rest;
        }
        let opener = Opener { stream: header.stream, end: header.has(flag::END_STREAM), depends_on_itself };
        if header.has(flag::END_HEADERS) {
            return self.on_block(opener, fragment);
        }
        self.check_block_size(fragment.len())?;
        self.block = Some(HeaderBlock { opened_by: opener, bytes: fragment.to_vec(), frames: 0 });
        Ok(())
    }

    pub(super) fn on_continuation(&mut self, header: &FrameHeader, payload: &[u8]) -> Result<(), Violation> {
        let Some(mut block) = self.block.take() else {
            return Err(Violation::protocol("CONTINUATION without header block"));
        };
        let in_head = self.is_request(block.opened_by.stream);
        if block.opened_by.stream != header.stream {
            return Err(Violation::protocol("CONTINUATION on another stream").in_head(in_head));
        }
        block.frames += 1;
        if block.frames > MIN_CONTINUATIONS + block.bytes.len() / CONTINUATION_BYTES {
            let word = super::error_code::word::EMPTY_FLOOD;
            return Err(Violation::flood(word, "too many CONTINUATION frames").in_head(in_head));
        }
        let bytes = block.bytes.len() + payload.len();
        self.check_block_size(bytes).map_err(|violation| violation.in_head(in_head))?;
        block.bytes.extend_from_slice(payload);
        if header.has(flag::END_HEADERS) {
            return self.on_block(block.opened_by, &block.bytes);
        }
        self.block = Some(block);
        Ok(())
    }

    /// Whether a head on that stream would be a new request.
    fn is_request(&self, stream: u32) -> bool {
        self.side == Side::Server && self.is_of_peer(stream) && self.is_idle(stream)
    }

    /// Whether the rest of a request's head is awaited.
    pub(super) fn awaits_request(&self) -> bool {
        self.block.as_ref().is_some_and(|block| self.is_request(block.opened_by.stream))
    }

    fn check_block_size(&self, bytes: usize) -> Result<(), Violation> {
        let most = self.limits.max_head_bytes.saturating_mul(BLOCK_BYTES_PER_HEAD_BYTE);
        if bytes > most.saturating_add(frame::DEFAULT_MAX_FRAME_SIZE as usize) {
            return Err(Violation::flood(
                super::error_code::word::TOO_MANY_HEADERS,
                "header block too large",
            ));
        }
        Ok(())
    }

    fn on_block(&mut self, opener: Opener, block: &[u8]) -> Result<(), Violation> {
        let purpose = self.purpose_of(opener.stream)?;
        let section = match purpose {
            Purpose::Request => Section::Request,
            Purpose::Response => Section::Response,
            Purpose::Trailers => Section::Trailers,
            Purpose::Ignore | Purpose::Refuse(_) => Section::Discard,
        };
        let mut fields = Incoming::new(section, &self.limits);
        self.decoder
            .decode(block, |name, value| fields.field(name, value))
            .map_err(|e| Violation::connection(ErrorCode::CompressionError, e.to_string()))
            .map_err(|violation| violation.in_head(purpose == Purpose::Request))?;
        if opener.depends_on_itself {
            return Err(Violation::protocol("a stream that depends on itself"));
        }
        let result = match purpose {
            Purpose::Request => self.on_request(opener, fields),
            Purpose::Response => self.on_response(opener, fields),
            Purpose::Trailers => self.on_trailers(opener, fields),
            Purpose::Ignore => return self.flood.idle_frame(),
            Purpose::Refuse(code) => return Err(Violation::stream(opener.stream, code)),
        };
        self.flood.work();
        result.map_err(|fault| Violation::Message { stream: opener.stream, fault })
    }

    /// What a header block on that stream is, by the stream's state.
    fn purpose_of(&mut self, stream: u32) -> Result<Purpose, Violation> {
        if let Some(known) = self.streams.get(&stream) {
            return Ok(match known.receiving {
                Receiving::Head => Purpose::Response,
                Receiving::Body => Purpose::Trailers,
                Receiving::Ended => Purpose::Refuse(ErrorCode::StreamClosed),
            });
        }
        if !self.is_idle(stream) {
            return match self.closed.look_up(stream) {
                Closed::ByUs | Closed::Forgotten => Ok(Purpose::Ignore),
                Closed::ByPeer => Ok(Purpose::Refuse(ErrorCode::StreamClosed)),
                Closed::Ended => {
                    Err(Violation::connection(ErrorCode::StreamClosed, "HEADERS on a closed stream"))
                }
                Closed::Skipped => Err(Violation::protocol("HEADERS with a stream number below the last")),
            };
        }
        if self.side == Side::Client || !self.is_of_peer(stream) {
            return Err(Violation::protocol("HEADERS on a stream that the peer may not open"));
        }
        self.last_peer = stream;
        if self.goaway_sent.is_some_and(|last| stream > last) {
            // The peer knows by GOAWAY that this one is not processed.
            self.closed.remember(stream, Closed::ByUs);
            return Ok(Purpose::Ignore);
        }
        if self.streams.len() >= self.limits.max_concurrent_streams as usize {
            return Ok(Purpose::Refuse(ErrorCode::RefusedStream));
        }
        Ok(Purpose::Request)
    }

    fn on_request(&mut self, opener: Opener, fields: Incoming) -> Result<(), Unusable> {
        let (head, content_length) = fields.into_request(RequestRules {
            scheme: &self.scheme,
            extended_connect: self.limits.allow_extended_connect,
            connect: self.limits.allow_connect,
        })?;
        let receiving = if opener.end { Receiving::Ended } else { Receiving::Body };
        let mut stream = Stream::new(
            receiving,
            Sending::Head,
            self.new_receive_window(),
            SendWindow::new(self.peer.initial_window),
        );
        stream.body_left = content_length;
        if !stream.count_body(0, opener.end) {
            return Err(Unusable::Section("content-length without body"));
        }
        self.streams.insert(opener.stream, stream);
        let stream = StreamId(opener.stream);
        self.events.push_back(Event::Request { stream, head: Box::new(head), end: opener.end });
        Ok(())
    }

    fn on_response(&mut self, opener: Opener, fields: Incoming) -> Result<(), Unusable> {
        let (head, content_length) = fields.into_response()?;
        let Some(stream) = self.streams.get_mut(&opener.stream) else { return Ok(()) };
        if head.is_interim() {
            if opener.end {
                return Err(Unusable::Section("interim response that ends its stream"));
            }
        } else {
            stream.receiving = if opener.end { Receiving::Ended } else { Receiving::Body };
            let tunnel = stream.to_connect && (200..300).contains(&head.status);
            let no_content = stream.to_head || matches!(head.status, 204 | 304);
            stream.body_left = match content_length {
                _ if tunnel => None,
                _ if no_content => Some(0),
                length => length,
            };
            if !stream.count_body(0, opener.end) {
                return Err(Unusable::Section("content-length without body"));
            }
        }
        let stream = StreamId(opener.stream);
        self.events.push_back(Event::Response { stream, head: Box::new(head), end: opener.end });
        self.close_if_done(opener.stream);
        Ok(())
    }

    fn on_trailers(&mut self, opener: Opener, fields: Incoming) -> Result<(), Unusable> {
        let trailers = fields.into_trailers()?;
        let Some(stream) = self.streams.get_mut(&opener.stream) else { return Ok(()) };
        if !opener.end {
            return Err(Unusable::Section("second head within a body"));
        }
        if !stream.count_body(0, true) {
            return Err(Unusable::Section("body shorter than content-length"));
        }
        stream.receiving = Receiving::Ended;
        self.events.push_back(Event::Trailers { stream: StreamId(opener.stream), trailers });
        self.close_if_done(opener.stream);
        Ok(())
    }
}
