//! Sizes of one connection's buffers.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

use bytes::BytesMut;
use weft_types::Headers;

/// Buffers kept for reuse by the connections of one worker.
const KEPT_BUFFERS: usize = 16;

/// Sizes of a connection's buffers, in bytes. Every byte that a peer makes us hold is under one of
/// these or under the codec's own limits.
#[derive(Clone, Debug)]
pub struct ConnOptions {
    /// Size of a fresh read buffer (default 16 KiB). Reads that fill it double the next one, up to
    /// `read_max`.
    pub read_initial: usize,
    /// Largest read buffer (default 64 KiB).
    pub read_max: usize,
    /// Received bytes that may wait for the reader of a stream, before and after parsing (default
    /// 256 KiB). Must exceed the codec's largest head or frame. Above it the socket is not read.
    pub input_limit: usize,
    /// Bytes waiting to be written above which senders wait (default 1 MiB; Envoy
    /// `per_connection_buffer_limit_bytes`). They go on below half of it.
    pub high_watermark: usize,
    /// Spare read buffers, shared by the connections of a worker: an idle connection holds none.
    pub buffers: ReadBuffers,
    /// Makes the fields of replies that the codec gives to broken input (`date`, `server`).
    pub error_fields: Option<ErrorFields>,
}

/// Makes the fields of a reply at the time of the reply.
#[derive(Clone)]
pub struct ErrorFields(pub Rc<dyn Fn() -> Headers>);

impl std::ops::Deref for ErrorFields {
    type Target = dyn Fn() -> Headers;

    fn deref(&self) -> &Self::Target {
        &*self.0
    }
}

impl fmt::Debug for ErrorFields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ErrorFields")
    }
}

impl Default for ConnOptions {
    fn default() -> Self {
        Self {
            read_initial: 16 * 1024,
            read_max: 64 * 1024,
            input_limit: 256 * 1024,
            high_watermark: 1024 * 1024,
            buffers: ReadBuffers::default(),
            error_fields: None,
        }
    }
}

impl ConnOptions {
    /// Bytes waiting to be written below which senders go on: half the high watermark.
    #[must_use]
    pub fn low_watermark(&self) -> usize {
        self.high_watermark / 2
    }
}

/// A few empty read buffers for the next connection that has something to read.
#[derive(Clone, Default)]
pub struct ReadBuffers(Rc<RefCell<Vec<BytesMut>>>);

impl ReadBuffers {
    /// An empty buffer with room for `size` bytes.
    pub(crate) fn take(&self, size: usize) -> BytesMut {
        // A kept buffer may still have pieces in use elsewhere: then it cannot be had back whole.
        if let Some(mut buffer) = self.0.borrow_mut().pop()
            && buffer.try_reclaim(size)
        {
            return buffer;
        }
        BytesMut::with_capacity(size)
    }

    /// Gives an empty buffer back; at most 16 are kept.
    pub(crate) fn give(&self, buffer: BytesMut) {
        let mut kept = self.0.borrow_mut();
        if kept.len() < KEPT_BUFFERS && buffer.is_empty() && buffer.capacity() > 0 {
            kept.push(buffer);
        }
    }
}

impl fmt::Debug for ReadBuffers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReadBuffers({} kept)", self.0.borrow().len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_reused_only_when_nobody_holds_a_piece_of_it() {
        let buffers = ReadBuffers::default();
        let mut first = buffers.take(4096);
        first.extend_from_slice(b"hello");
        let at = first.as_ptr();
        let piece = first.split().freeze();
        buffers.give(first);
        let second = buffers.take(4096);
        assert_ne!(second.as_ptr(), at, "the piece is still in use");
        assert_eq!(&piece[..], b"hello");

        let at = second.as_ptr();
        buffers.give(second);
        assert_eq!(buffers.take(4096).as_ptr(), at);
    }
}
