//! Limits on work that a peer causes without any use (CVE-2019-9511 and kin, CVE-2023-44487).

use super::error_code::{Violation, word};

/// Streams that a peer may end before we answered, beyond those it let finish.
const MAX_PREMATURE_RESETS: u32 = 1000;

/// Counters of one connection.
#[derive(Debug)]
pub(super) struct FloodGuard {
    limit: u32,
    /// Frames in answer to the peer's that wait to be written.
    queued: u32,
    /// Frames in a row that moved nothing.
    idle: u32,
    /// Streams ended before their response began, less those that were completed.
    premature: u32,
}

impl FloodGuard {
    /// `limit` is [`crate::Limits::max_control_frames`].
    pub(super) fn new(limit: u32) -> Self {
        Self { limit, queued: 0, idle: 0, premature: 0 }
    }

    /// A frame is about to be written in answer to one of the peer's. A peer that asks but does not
    /// read would make the output grow.
    pub(super) fn answer(&mut self, output_is_empty: bool) -> Result<(), Violation> {
        self.queued = if output_is_empty { 1 } else { self.queued + 1 };
        if self.queued > self.limit {
            return Err(Violation::flood(word::OUTBOUND_FLOOD, "too many control frames wait to be written"));
        }
        Ok(())
    }

    /// A frame came that moves nothing: empty DATA, PRIORITY, WINDOW_UPDATE, SETTINGS, unknown ones.
    pub(super) fn idle_frame(&mut self) -> Result<(), Violation> {
        self.idle += 1;
        if self.idle > self.limit {
            return Err(Violation::flood(word::EMPTY_FLOOD, "too many frames without content"));
        }
        Ok(())
    }

    /// A head or body bytes came or went.
    pub(super) fn work(&mut self) {
        self.idle = 0;
    }

    /// The peer ended a stream before we answered it, or made us end it.
    pub(super) fn premature_reset(&mut self) -> Result<(), Violation> {
        self.premature += 1;
        if self.premature > MAX_PREMATURE_RESETS {
            return Err(Violation::flood(word::EMPTY_FLOOD, "too many streams reset before their response"));
        }
        Ok(())
    }

    /// A stream was completed.
    pub(super) fn completed(&mut self) {
        self.premature = self.premature.saturating_sub(1);
    }
}
