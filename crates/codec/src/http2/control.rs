//! Frames about the connection and about streams as a whole: SETTINGS, PING, GOAWAY, RST_STREAM,
//! PRIORITY.

use super::closed::Closed;
use super::error_code::Violation;
use super::stream::Sending;
use super::{ErrorCode, FrameHeader, Http2, flag, frame, kind, settings};
use crate::{Event, ResetReason, Side, StreamId};

impl Http2 {
    pub(super) fn on_settings(&mut self, header: &FrameHeader, payload: &[u8]) -> Result<(), Violation> {
        if header.stream != 0 {
            return Err(Violation::protocol("SETTINGS on a stream"));
        }
        if header.has(flag::ACK) {
            return self.on_settings_ack(payload);
        }
        let window_before = self.peer.initial_window;
        self.peer.apply(payload, self.side)?;
        self.flood.idle_frame()?;
        self.flood.answer(self.output.is_empty())?;
        frame::write(&mut self.output, kind::SETTINGS, flag::ACK, 0, &[]);
        self.encoder.set_limit(self.peer.header_table_size as usize);
        let change = i64::from(self.peer.initial_window) - i64::from(window_before);
        if change == 0 {
            return Ok(());
        }
        for stream in self.streams.values_mut() {
            if !stream.send_window.grow(change) {
                return Err(Violation::connection(
                    ErrorCode::FlowControlError,
                    "INITIAL_WINDOW_SIZE raises a window above 2^31-1",
                ));
            }
        }
        if change > 0 {
            self.enqueue_all();
            self.flush_pending();
            self.announce_all_capacity();
        }
        Ok(())
    }

    /// From here on the peer keeps to our settings.
    fn on_settings_ack(&mut self, payload: &[u8]) -> Result<(), Violation> {
        if !payload.is_empty() {
            return Err(Violation::frame_size("SETTINGS acknowledgement with a payload"));
        }
        if !std::mem::take(&mut self.settings_pending) {
            return Err(Violation::protocol("SETTINGS acknowledgement without SETTINGS"));
        }
        self.decoder.set_limit(self.limits.hpack_table_size as usize);
        let window = settings::initial_stream_window(&self.limits);
        for stream in self.streams.values_mut() {
            stream.receive_window.resize(window);
        }
        // What was used before may be owed at once, now that the window is smaller: nobody uses more
        // of a stream whose sender waits for it.
        let open: Vec<u32> = self.streams.keys().copied().collect();
        open.into_iter().for_each(|id| self.release(id, 0));
        Ok(())
    }

    pub(super) fn on_ping(&mut self, header: &FrameHeader, payload: &[u8]) -> Result<(), Violation> {
        if header.stream != 0 {
            return Err(Violation::protocol("PING on a stream"));
        }
        let Ok(number) = <[u8; 8]>::try_from(payload) else {
            return Err(Violation::frame_size("PING is not 8 bytes long"));
        };
        if header.has(flag::ACK) {
            if self.heartbeat_pending && number == self.heartbeat.to_be_bytes() {
                self.heartbeat_pending = false;
                self.events.push_back(Event::HeartbeatAck);
                return Ok(());
            }
            return self.flood.idle_frame();
        }
        self.flood.answer(self.output.is_empty())?;
        frame::write(&mut self.output, kind::PING, flag::ACK, 0, payload);
        Ok(())
    }

    pub(super) fn on_goaway(&mut self, header: &FrameHeader, payload: &[u8]) -> Result<(), Violation> {
        if header.stream != 0 {
            return Err(Violation::protocol("GOAWAY on a stream"));
        }
        let (Some(last), Some(code)) = (frame::read_31_bits(payload), payload.get(4..).and_then(read_code))
        else {
            return Err(Violation::frame_size("GOAWAY is shorter than 8 bytes"));
        };
        if self.goaway_received.is_some_and(|before| last > before) {
            return Err(Violation::protocol("GOAWAY raises the last stream"));
        }
        self.flood.idle_frame()?;
        self.goaway_received = Some(last);
        self.events.push_back(Event::GoAway { last: StreamId(last), code });
        if self.side == Side::Client {
            let mut refused: Vec<u32> = self.streams.keys().copied().filter(|id| *id > last).collect();
            refused.sort_unstable();
            for id in refused {
                self.drop_stream(id, Closed::ByPeer);
                self.event_reset(id, ResetReason::Refused);
            }
        }
        Ok(())
    }

    pub(super) fn on_reset(&mut self, header: &FrameHeader, payload: &[u8]) -> Result<(), Violation> {
        if header.stream == 0 {
            return Err(Violation::protocol("RST_STREAM on stream 0"));
        }
        let Some(code) = read_code(payload).filter(|_| payload.len() == 4) else {
            return Err(Violation::frame_size("RST_STREAM is not 4 bytes long"));
        };
        let Some(stream) = self.drop_stream(header.stream, Closed::ByPeer) else {
            if self.is_idle(header.stream) {
                return Err(Violation::protocol("RST_STREAM on an idle stream"));
            }
            return self.flood.idle_frame();
        };
        let reason = match code {
            c if c == ErrorCode::RefusedStream.value() => ResetReason::Refused,
            code => ResetReason::Remote(code),
        };
        self.event_reset(header.stream, reason);
        if self.side == Side::Server && stream.sending == Sending::Head {
            self.flood.premature_reset()?;
        }
        Ok(())
    }

    /// Priorities have no effect (RFC 9113 section 5.3.2), but must have their size.
    pub(super) fn on_priority(&mut self, header: &FrameHeader, payload: &[u8]) -> Result<(), Violation> {
        if header.stream == 0 {
            return Err(Violation::protocol("PRIORITY on stream 0"));
        }
        let open = self.streams.contains_key(&header.stream);
        // RST_STREAM has no place on a stream that is idle or gone.
        match frame::read_31_bits(payload).filter(|_| payload.len() == 5) {
            None if open => Err(Violation::stream(header.stream, ErrorCode::FrameSizeError)),
            None => Err(Violation::frame_size("PRIORITY is not 5 bytes long")),
            // RFC 7540 section 5.3.1; nobody who keeps to RFC 9113 sends it.
            Some(on) if on == header.stream && open => {
                Err(Violation::stream(header.stream, ErrorCode::ProtocolError))
            }
            Some(on) if on == header.stream => Err(Violation::protocol("a stream depends on itself")),
            Some(_) => self.flood.idle_frame(),
        }
    }
}

fn read_code(bytes: &[u8]) -> Option<u32> {
    bytes.first_chunk::<4>().map(|b| u32::from_be_bytes(*b))
}
