//! Flow-control windows (RFC 9113 sections 5.2 and 6.9).

use super::frame::MAX_31_BITS;

/// What we may send before the peer gives more credit, bytes. Below zero after the peer lowered
/// its initial window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SendWindow(i64);

impl SendWindow {
    pub(super) fn new(size: u32) -> Self {
        Self(i64::from(size))
    }

    /// Bytes that may be sent.
    pub(super) fn available(self) -> usize {
        usize::try_from(self.0).unwrap_or(0)
    }

    /// Takes sent bytes off; the caller sends no more than [`Self::available`].
    pub(super) fn spend(&mut self, bytes: usize) {
        self.0 -= as_i64(bytes);
    }

    /// Adds credit, which may be negative; `false` when the window would exceed 2^31-1.
    #[must_use]
    pub(super) fn grow(&mut self, credit: i64) -> bool {
        self.0 += credit;
        self.0 <= i64::from(MAX_31_BITS)
    }
}

/// What the peer may send, and what of it was used and can be offered again, bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ReceiveWindow {
    /// Credit that the peer has left.
    credit: i64,
    /// Size at which the window is held.
    size: u32,
    /// Used, but not offered again yet.
    owed: u32,
}

impl ReceiveWindow {
    pub(super) fn new(size: u32) -> Self {
        Self { credit: i64::from(size), size, owed: 0 }
    }

    /// Counts received bytes; `false` when the peer had not that much credit.
    #[must_use]
    pub(super) fn receive(&mut self, bytes: usize) -> bool {
        self.credit -= as_i64(bytes);
        self.credit >= 0
    }

    /// Counts used bytes; yields the increment to send once it makes up half of the window, so that
    /// one WINDOW_UPDATE stands for many frames.
    pub(super) fn release(&mut self, bytes: usize) -> Option<u32> {
        self.owed = self.owed.saturating_add(u32::try_from(bytes).unwrap_or(u32::MAX));
        if self.owed == 0 || self.owed < self.size / 2 {
            return None;
        }
        let increment = std::mem::take(&mut self.owed);
        self.credit += i64::from(increment);
        Some(increment)
    }

    /// Whether nothing is received and not yet used.
    #[cfg(test)]
    pub(super) fn is_whole(&self) -> bool {
        self.credit + i64::from(self.owed) == i64::from(self.size)
    }

    /// Changes the size by our own setting; the peer's credit changes by the difference.
    pub(super) fn resize(&mut self, size: u32) {
        self.credit += i64::from(size) - i64::from(self.size);
        self.size = size;
    }
}

fn as_i64(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn send_window_may_be_negative_and_never_above_the_maximum() {
        let mut window = SendWindow::new(10);
        assert!(window.grow(-15));
        assert_eq!(window.available(), 0);
        assert!(window.grow(8));
        assert_eq!(window.available(), 3);
        assert!(window.grow(i64::from(MAX_31_BITS) - 3));
        assert!(!window.grow(1));
    }

    #[test]
    fn credit_comes_back_in_halves() {
        let mut window = ReceiveWindow::new(100);
        assert!(window.receive(100));
        assert!(!ReceiveWindow { credit: 0, ..window }.receive(1));
        assert_eq!(window.release(49), None);
        assert_eq!(window.release(1), Some(50));
        assert!(window.receive(50));
        assert!(!window.receive(1));
    }
}
