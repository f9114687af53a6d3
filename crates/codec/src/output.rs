//! Bytes waiting to be written.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Buf, Bytes, BytesMut};

/// Pieces below this size are copied together: moving a few KiB costs less than a slice of its own, the
/// counting of who holds it, and the buffer that it keeps from being used again.
const COPY_BELOW: usize = 4096;

/// Memory that an empty queue keeps.
const TAIL_KEPT: usize = 8 * 1024;

/// A queue of byte pieces for vectored writes: heads and small pieces are copied into a tail buffer,
/// large body pieces are kept as they are.
#[derive(Debug, Default)]
pub struct Output {
    sealed: VecDeque<Bytes>,
    tail: Vec<u8>,
    /// How much of the tail has been written.
    tail_at: usize,
    length: usize,
}

impl Output {
    /// An empty queue.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Bytes waiting.
    #[must_use]
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Copies bytes to the end.
    pub fn put(&mut self, bytes: &[u8]) {
        self.tail.extend_from_slice(bytes);
        self.length += bytes.len();
    }

    /// Copies bytes to the end and changes the copy.
    pub fn put_changed(&mut self, bytes: &[u8], change: impl FnOnce(&mut [u8])) {
        let start = self.tail.len();
        self.put(bytes);
        if let Some(copy) = self.tail.get_mut(start..) {
            change(copy);
        }
    }

    /// Makes room for so many bytes that will be [`put`](Self::put).
    pub fn reserve(&mut self, bytes: usize) {
        self.tail.reserve(bytes);
    }

    /// Copies `name`, in lower case, and `value` to the end, as a field line of HTTP/1.
    pub fn put_field(&mut self, name: &[u8], value: &[u8]) {
        let bytes = name.len() + value.len() + 4;
        self.tail.reserve(bytes);
        self.tail.extend(name.iter().map(u8::to_ascii_lowercase));
        self.tail.extend_from_slice(b": ");
        self.tail.extend_from_slice(value);
        self.tail.extend_from_slice(b"\r\n");
        self.length += bytes;
    }

    /// Adds a body piece to the end, without copying if it is large.
    pub fn push(&mut self, piece: Bytes) {
        if piece.len() < COPY_BELOW {
            self.put(&piece);
            return;
        }
        self.seal_tail();
        self.length += piece.len();
        self.sealed.push_back(piece);
    }

    /// Fills `slices` with what waits, oldest first; returns how many were filled.
    pub fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let tail = self.tail.get(self.tail_at..).unwrap_or_default();
        let pieces = self.sealed.iter().map(|p| &p[..]).chain(std::iter::once(tail));
        let mut count = 0;
        for (slot, piece) in slices.iter_mut().zip(pieces.filter(|p| !p.is_empty())) {
            *slot = IoSlice::new(piece);
            count += 1;
        }
        count
    }

    /// Drops the first `written` bytes, which have been written.
    pub fn advance(&mut self, mut written: usize) {
        self.length -= written;
        while written > 0 {
            let Some(front) = self.sealed.front_mut() else {
                self.tail_at += written;
                break;
            };
            if written < front.len() {
                front.advance(written);
                return;
            }
            written -= front.len();
            self.sealed.pop_front();
        }
        if self.length == 0 {
            self.tail.clear();
            self.tail.shrink_to(TAIL_KEPT);
            self.tail_at = 0;
        }
    }

    /// All that waits as one piece, for tests and for codecs in memory.
    pub fn take(&mut self) -> Bytes {
        self.seal_tail();
        self.length = 0;
        let mut all = BytesMut::new();
        for piece in self.sealed.drain(..) {
            all.extend_from_slice(&piece);
        }
        all.freeze()
    }

    fn seal_tail(&mut self) {
        let mut piece = Bytes::from(std::mem::take(&mut self.tail));
        piece.advance(std::mem::take(&mut self.tail_at).min(piece.len()));
        if !piece.is_empty() {
            self.sealed.push_back(piece);
        }
    }
}
