//! Spare buffers of a thread: a connection holds one only while bytes are in it.

use std::cell::RefCell;

use bytes::BytesMut;

use super::{BUFFER_MAX, BUFFER_MIN};

/// Spare buffers kept a thread; with the sizes that are kept, at most half a MiB.
const SPARES_MAX: usize = 16;

thread_local! {
    static SPARES: RefCell<Vec<BytesMut>> = const { RefCell::new(Vec::new()) };
}

/// A buffer with room for at least that many bytes.
pub(crate) fn take(room: usize) -> BytesMut {
    let mut buffer = SPARES.with_borrow_mut(Vec::pop).unwrap_or_default();
    // Also takes back what was read off its front.
    buffer.reserve(room.max(BUFFER_MIN));
    buffer
}

/// Keeps an empty buffer for the next one who needs it.
pub(crate) fn give(mut buffer: BytesMut) {
    buffer.clear();
    SPARES.with_borrow_mut(|spares| {
        // Buffers that grew for a bulk transfer are kept as well, but only some: idle threads stay small.
        let most = if buffer.capacity() > BUFFER_MAX / 2 { SPARES_MAX / 4 } else { SPARES_MAX };
        if buffer.capacity() > 0 && buffer.capacity() <= 2 * BUFFER_MAX && spares.len() < most {
            spares.push(buffer);
        }
    });
}
