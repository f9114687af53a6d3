//! Bytes to frames, and frames to those who understand them.

use bytes::{Buf, BytesMut};

use super::closed::Closed;
use super::error_code::Violation;
use super::incoming::Unusable;
use super::{
    ErrorCode, Failure, FrameHeader, HEADER_BYTES, Http2, Opening, PREFACE, flag, frame, kind, settings,
};
use crate::{CodecError, Event, ResetReason, Side, StreamId};

impl Http2 {
    /// The next event; see [`crate::Codec::receive`].
    pub(super) fn next_event(&mut self, input: &mut BytesMut) -> Result<Option<Event>, CodecError> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Ok(Some(event));
            }
            if let Some(failure) = &mut self.failure {
                failure.told = true;
                return Err(failure.error.clone());
            }
            let result = match self.next_frame(input) {
                Ok(Some(header)) => self.take_frame(&header, input),
                Ok(None) => return Ok(None),
                Err(violation) => Err(violation),
            };
            if let Err(violation) = result {
                self.punish(violation);
            }
        }
    }

    /// The header of the next frame, if that has come as a whole; it stays in the input.
    fn next_frame(&mut self, input: &mut BytesMut) -> Result<Option<FrameHeader>, Violation> {
        if self.opening == Opening::Preface {
            let known = input.len().min(PREFACE.len());
            if input.get(..known) != PREFACE.get(..known) {
                return Err(Violation::protocol("wrong connection preface"));
            }
            if known < PREFACE.len() {
                return Ok(None);
            }
            input.advance(PREFACE.len());
            self.opening = Opening::Settings;
        }
        let Some(header) = FrameHeader::read(input) else { return Ok(None) };
        if header.length > settings::max_frame_size(&self.limits) as usize {
            return Err(Violation::frame_size(format!("frame of {} bytes", header.length)));
        }
        Ok((input.len() >= HEADER_BYTES + header.length).then_some(header))
    }

    /// Takes the frame off the input. Only DATA is worth sharing the input's memory.
    fn take_frame(&mut self, header: &FrameHeader, input: &mut BytesMut) -> Result<(), Violation> {
        if header.kind == kind::DATA {
            self.check_order(header)?;
            input.advance(HEADER_BYTES);
            return self.on_data(header, input.split_to(header.length));
        }
        let payload = input.get(HEADER_BYTES..HEADER_BYTES + header.length).unwrap_or_default();
        let result = self.on_frame(header, payload);
        input.advance(HEADER_BYTES + header.length);
        result
    }

    /// Checks that a frame of that kind may come now.
    fn check_order(&mut self, header: &FrameHeader) -> Result<(), Violation> {
        if self.opening == Opening::Settings {
            if header.kind != kind::SETTINGS || header.has(flag::ACK) {
                return Err(Violation::protocol("the first frame is not SETTINGS"));
            }
            self.opening = Opening::Done;
        }
        if self.block.is_some() && header.kind != kind::CONTINUATION {
            let in_head = self.awaits_request();
            return Err(Violation::protocol("a frame within a header block").in_head(in_head));
        }
        Ok(())
    }

    fn on_frame(&mut self, header: &FrameHeader, payload: &[u8]) -> Result<(), Violation> {
        self.check_order(header)?;
        match header.kind {
            kind::HEADERS => self.on_headers(header, payload),
            kind::PRIORITY => self.on_priority(header, payload),
            kind::RST_STREAM => self.on_reset(header, payload),
            kind::SETTINGS => self.on_settings(header, payload),
            kind::PUSH_PROMISE => Err(Violation::protocol("PUSH_PROMISE, although push is off")),
            kind::PING => self.on_ping(header, payload),
            kind::GOAWAY => self.on_goaway(header, payload),
            kind::WINDOW_UPDATE => self.on_window_update(header, payload),
            kind::CONTINUATION => self.on_continuation(header, payload),
            _ => self.flood.idle_frame(),
        }
    }

    /// Ends what the violation ends.
    fn punish(&mut self, violation: Violation) {
        let outcome = match violation {
            Violation::Stream { stream, code } => {
                self.reset_by_violation(stream, code, ResetReason::Protocol)
            }
            Violation::Message { stream, fault } => self.punish_message(stream, fault),
            Violation::Connection { .. } => Err(violation),
        };
        if let Err(Violation::Connection { code, word, reason, in_head }) = outcome {
            let error = CodecError { word, reason: reason.into_owned(), status: None, body: None, in_head };
            self.failure = Some(Failure { code, error, told: false });
        }
    }

    /// Ends what a message ends that can't be used.
    fn punish_message(&mut self, stream: u32, fault: Unusable) -> Result<(), Violation> {
        let open = self.streams.contains_key(&stream);
        let in_head = !open && self.side == Side::Server;
        let word = fault.word();
        let (code, reason, rule) = match fault {
            Unusable::Refused(_) => (ErrorCode::InternalError, ResetReason::Unwelcome(word), None),
            Unusable::Field(rule) | Unusable::Section(rule) => {
                (ErrorCode::ProtocolError, ResetReason::Malformed(word), Some(rule))
            }
        };
        if let Some(rule) = rule.filter(|_| !self.limits.stream_error_on_invalid) {
            if open {
                self.drop_stream(stream, Closed::ByUs);
                self.event_reset(stream, reason);
            }
            return Err(Violation::Connection { code, word, reason: rule.into(), in_head });
        }
        if in_head {
            let malformed = rule.is_some();
            self.events.push_back(Event::Refused { stream: StreamId(stream), word, malformed });
        }
        self.reset_by_violation(stream, code, reason)
    }

    /// Resets a stream on which the peer broke the protocol. Making us reset streams is no cheaper
    /// for the peer than resetting them itself (CVE-2025-8671).
    fn reset_by_violation(
        &mut self,
        stream: u32,
        code: ErrorCode,
        reason: ResetReason,
    ) -> Result<(), Violation> {
        self.flood.answer(self.output.is_empty())?;
        if self.side == Side::Server && code != ErrorCode::RefusedStream {
            self.flood.premature_reset()?;
        }
        if self.streams.contains_key(&stream) {
            self.event_reset(stream, reason);
        }
        self.write_reset(stream, code.value());
        Ok(())
    }

    /// Sends GOAWAY with the highest stream of the peer that we have or may have processed.
    pub(super) fn write_goaway(&mut self, last: u32, code: ErrorCode) {
        let mut payload = [0; 8];
        let (last_bytes, code_bytes) = payload.split_at_mut(4);
        last_bytes.copy_from_slice(&last.to_be_bytes());
        code_bytes.copy_from_slice(&code.value().to_be_bytes());
        frame::write(&mut self.output, kind::GOAWAY, 0, 0, &payload);
        self.goaway_sent = Some(last);
    }
}
