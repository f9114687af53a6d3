//! What is remembered of streams that are gone.

use std::collections::VecDeque;

/// Closed streams remembered on a connection.
const REMEMBERED: usize = 256;

/// How a stream was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Closed {
    /// Both halves ended.
    Ended,
    /// The peer reset it.
    ByPeer,
    /// We reset it: the peer may not know yet, so its frames are ignored.
    ByUs,
    /// So long ago that it is not remembered: frames are ignored.
    Forgotten,
    /// Never open: its number was passed over.
    Skipped,
}

/// The streams closed last.
#[derive(Debug, Default)]
pub(super) struct RecentlyClosed {
    streams: VecDeque<(u32, Closed)>,
    /// The highest number that had to be forgotten.
    forgotten: u32,
}

impl RecentlyClosed {
    /// Remembers a stream, at the cost of the oldest.
    pub(super) fn remember(&mut self, stream: u32, how: Closed) {
        if self.streams.len() == REMEMBERED
            && let Some((oldest, _)) = self.streams.pop_front()
        {
            self.forgotten = self.forgotten.max(oldest);
        }
        self.streams.push_back((stream, how));
    }

    /// How a stream was closed that is neither open nor idle.
    pub(super) fn look_up(&self, stream: u32) -> Closed {
        let found = self.streams.iter().rev().find(|(id, _)| *id == stream);
        match found {
            Some((_, how)) => *how,
            None if stream <= self.forgotten => Closed::Forgotten,
            None => Closed::Skipped,
        }
    }
}
