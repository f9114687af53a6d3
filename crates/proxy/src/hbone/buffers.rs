//! Room to read into, kept by each thread: an idle connection has none.

use std::cell::RefCell;

use bytes::BytesMut;

/// Buffers that a thread keeps.
const KEPT: usize = 4;

thread_local! {
    static SPARE: RefCell<Vec<BytesMut>> = const { RefCell::new(Vec::new()) };
}

/// An empty buffer with room for `size` bytes.
pub(super) fn take(size: usize) -> BytesMut {
    // Pieces of a kept one may still be in use elsewhere: then it cannot be had back whole.
    if let Some(mut buffer) = SPARE.with_borrow_mut(Vec::pop)
        && buffer.try_reclaim(size)
    {
        return buffer;
    }
    BytesMut::with_capacity(size)
}

/// Keeps an empty buffer for the next reader.
pub(super) fn give(buffer: BytesMut) {
    SPARE.with_borrow_mut(|spare| {
        if spare.len() < KEPT && buffer.is_empty() && buffer.capacity() > 0 {
            spare.push(buffer);
        }
    });
}
