//! DATA and WINDOW_UPDATE: bodies and credit.

use bytes::{Buf, Bytes, BytesMut};

use super::closed::Closed;
use super::error_code::Violation;
use super::stream::Receiving;
use super::{ErrorCode, FrameHeader, Http2, flag, frame, kind};
use crate::{Event, StreamId};

/// Pieces below this size are copied: a small one that is kept must not hold a whole read buffer.
const COPY_BELOW: usize = 1024;

/// The body bytes of a DATA frame, sharing the input's memory where that pays.
fn body_of(header: &FrameHeader, payload: BytesMut) -> Result<Bytes, Violation> {
    let content = frame::strip_padding(header, &payload)?;
    if content.len() < COPY_BELOW {
        return Ok(Bytes::copy_from_slice(content));
    }
    let length = content.len();
    let mut body = payload.freeze();
    if header.has(flag::PADDED) {
        body.advance(1);
    }
    body.truncate(length);
    Ok(body)
}

impl Http2 {
    pub(super) fn on_data(&mut self, header: &FrameHeader, payload: BytesMut) -> Result<(), Violation> {
        if header.stream == 0 {
            return Err(Violation::protocol("DATA on stream 0"));
        }
        let payload = body_of(header, payload)?;
        // Padding counts against the windows, too.
        if !self.receive_window.receive(header.length) {
            return Err(Violation::connection(
                ErrorCode::FlowControlError,
                "DATA beyond the connection's window",
            ));
        }
        let end = header.has(flag::END_STREAM);
        if payload.is_empty() && !end {
            self.flood.idle_frame()?;
        } else {
            self.flood.work();
        }
        let result = self.on_body(header, payload, end);
        if result.is_err() {
            // Nobody will use it; the stream's own share was given back when the stream was dropped.
            self.release_connection(header.length);
        }
        result
    }

    fn on_body(&mut self, header: &FrameHeader, payload: Bytes, end: bool) -> Result<(), Violation> {
        let id = header.stream;
        let Some(stream) = self.streams.get_mut(&id) else { return self.on_stray_data(header) };
        match stream.receiving {
            Receiving::Head => return Err(Violation::stream(id, ErrorCode::ProtocolError)),
            Receiving::Ended => return Err(Violation::stream(id, ErrorCode::StreamClosed)),
            Receiving::Body => {}
        }
        if !stream.receive_window.receive(header.length) {
            return Err(Violation::stream(id, ErrorCode::FlowControlError));
        }
        if !stream.count_body(payload.len(), end) {
            return Err(Violation::stream(id, ErrorCode::ProtocolError));
        }
        stream.unconsumed += payload.len();
        if end {
            stream.receiving = Receiving::Ended;
        }
        let padding = header.length - payload.len();
        self.release(id, padding);
        if end || !payload.is_empty() {
            self.events.push_back(Event::Data { stream: StreamId(id), data: payload, end });
        }
        self.close_if_done(id);
        Ok(())
    }

    /// DATA on a stream that is not open.
    fn on_stray_data(&mut self, header: &FrameHeader) -> Result<(), Violation> {
        if self.is_idle(header.stream) {
            return Err(Violation::protocol("DATA on an idle stream"));
        }
        match self.closed.look_up(header.stream) {
            Closed::ByUs | Closed::Forgotten => {
                self.release_connection(header.length);
                Ok(())
            }
            Closed::ByPeer => Err(Violation::stream(header.stream, ErrorCode::StreamClosed)),
            Closed::Ended | Closed::Skipped => {
                Err(Violation::connection(ErrorCode::StreamClosed, "DATA on a closed stream"))
            }
        }
    }

    /// Counts bytes of a stream as used, for its window and the connection's.
    pub(super) fn release(&mut self, id: u32, bytes: usize) {
        self.release_connection(bytes);
        let Some(stream) = self.streams.get_mut(&id) else { return };
        if stream.receiving == Receiving::Body
            && let Some(increment) = stream.receive_window.release(bytes)
        {
            frame::write(&mut self.output, kind::WINDOW_UPDATE, 0, id, &increment.to_be_bytes());
        }
    }

    /// The caller used body bytes; see [`crate::Codec::consumed`].
    pub(super) fn consume(&mut self, id: u32, bytes: usize) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        let bytes = bytes.min(stream.unconsumed);
        stream.unconsumed -= bytes;
        self.release(id, bytes);
    }

    pub(super) fn on_window_update(&mut self, header: &FrameHeader, payload: &[u8]) -> Result<(), Violation> {
        let Some(increment) = frame::read_31_bits(payload).filter(|_| payload.len() == 4) else {
            return Err(Violation::frame_size("WINDOW_UPDATE is not 4 bytes long"));
        };
        self.flood.idle_frame()?;
        if header.stream == 0 {
            return self.grow_connection(increment);
        }
        let Some(stream) = self.streams.get_mut(&header.stream) else {
            if self.is_idle(header.stream) {
                return Err(Violation::protocol("WINDOW_UPDATE on an idle stream"));
            }
            return Ok(());
        };
        if increment == 0 {
            return Err(Violation::stream(header.stream, ErrorCode::ProtocolError));
        }
        if !stream.send_window.grow(i64::from(increment)) {
            return Err(Violation::stream(header.stream, ErrorCode::FlowControlError));
        }
        self.enqueue(header.stream);
        self.flush_pending();
        self.announce_capacity(header.stream);
        Ok(())
    }

    fn grow_connection(&mut self, increment: u32) -> Result<(), Violation> {
        if increment == 0 {
            return Err(Violation::protocol("WINDOW_UPDATE of 0 for the connection"));
        }
        let exhausted = self.send_window.available() == 0;
        if !self.send_window.grow(i64::from(increment)) {
            return Err(Violation::connection(
                ErrorCode::FlowControlError,
                "the connection's window exceeds 2^31-1",
            ));
        }
        if exhausted {
            self.flush_pending();
            self.announce_all_capacity();
        }
        Ok(())
    }
}
