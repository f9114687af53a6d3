//! One waker for a socket, many tasks behind it.
//!
//! A socket remembers one waker a direction: the last that polled it. On an inline connection more
//! than one future may wait (the reader of a body, the watcher of a disconnect, a flush); if the last
//! one goes away unpolled, the others would sleep for ever. So the socket is always polled with the
//! same waker, which wakes whoever registered here.

use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Wake, Waker};

/// Who waits. One slot each: an inline connection has one exchange at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// The connection's owner: `accept`, or the driver task.
    Driver,
    /// The reader of a response's head or of a body.
    Receive,
    /// The sender of a body.
    Send,
    /// The watcher for the stream's end.
    Closed,
    /// The task that writes what a sender left behind.
    Flush,
}

const ROLES: usize = 5;

/// The tasks that wait for a socket.
#[derive(Debug, Default)]
pub(crate) struct WakeSet {
    // A mutex, though all is on one thread, because a waker must be `Sync`; it is never contended.
    slots: Mutex<[Option<Waker>; ROLES]>,
}

impl WakeSet {
    /// Remembers the task for the role until the next wake.
    pub(crate) fn register(&self, role: Role, waker: &Waker) {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut slots[role as usize] {
            Some(known) => known.clone_from(waker),
            empty => *empty = Some(waker.clone()),
        }
    }

    /// Wakes the task of one role.
    pub(crate) fn wake_role(&self, role: Role) {
        let waker = self.slots.lock().unwrap_or_else(PoisonError::into_inner)[role as usize].take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Forgets everyone, so that a pooled connection keeps no finished task's memory.
    pub(crate) fn clear(&self) {
        let forgotten = std::mem::take(&mut *self.slots.lock().unwrap_or_else(PoisonError::into_inner));
        drop(forgotten);
    }
}

impl Wake for WakeSet {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let waiting = std::mem::take(&mut *self.slots.lock().unwrap_or_else(PoisonError::into_inner));
        for waker in waiting.into_iter().flatten() {
            waker.wake();
        }
    }
}
