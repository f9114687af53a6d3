//! One waker for a socket, many tasks behind it.
//!
//! A socket remembers one waker a direction: the last that polled it. On an inline connection more
//! than one future may wait (the reader of a body, the watcher of a disconnect, a flush); if the last
//! one goes away unpolled, the others would sleep for ever. So the socket is always polled with the
//! same waker, which wakes whoever registered here.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
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
    slots: Mutex<Slots>,
}

/// Wakers stay when they have been used: the same task mostly comes again, and need not be cloned then.
#[derive(Debug, Default)]
struct Slots {
    wakers: [Option<Waker>; ROLES],
    /// Which of them wait, a bit each.
    waiting: u8,
    /// The socket has called since it was last asked.
    called: bool,
}

impl Slots {
    fn register(&mut self, role: Role, waker: &Waker) {
        match &mut self.wakers[role as usize] {
            Some(known) => known.clone_from(waker),
            empty => *empty = Some(waker.clone()),
        }
        self.waiting |= 1 << role as u8;
    }
}

impl WakeSet {
    /// Remembers the task for the role until the next wake.
    pub(crate) fn register(&self, role: Role, waker: &Waker) {
        self.slots().register(role, waker);
    }

    /// Remembers the task for the role, unless the socket has called since [`Self::asks`]: then it is worth
    /// asking again, and false is returned.
    pub(crate) fn waits(&self, role: Role, waker: &Waker) -> bool {
        let mut slots = self.slots();
        if slots.called {
            return false;
        }
        slots.register(role, waker);
        true
    }

    /// The socket is about to be asked.
    pub(crate) fn asks(&self) {
        self.slots().called = false;
    }

    /// Wakes the task of one role.
    pub(crate) fn wake_role(&self, role: Role) {
        let mut slots = self.slots();
        let bit = 1 << role as u8;
        if slots.waiting & bit != 0 {
            slots.waiting &= !bit;
            if let Some(waker) = &slots.wakers[role as usize] {
                waker.wake_by_ref();
            }
        }
    }

    /// Forgets everyone, so that a pooled connection keeps no finished task's memory.
    pub(crate) fn clear(&self) {
        let mut slots = self.slots();
        let called = slots.called;
        let forgotten = std::mem::replace(&mut *slots, Slots { called, ..Slots::default() });
        // Wakers that go may wake others.
        drop(slots);
        drop(forgotten);
    }

    fn slots(&self) -> MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for WakeSet {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let mut slots = self.slots();
        slots.called = true;
        let waiting = std::mem::take(&mut slots.waiting);
        let mut woken: Option<&Waker> = None;
        for (index, waker) in slots.wakers.iter().enumerate() {
            let Some(waker) = waker.as_ref().filter(|_| waiting & (1 << index) != 0) else { continue };
            // Mostly they are all of one task.
            if !woken.is_some_and(|other| other.will_wake(waker)) {
                waker.wake_by_ref();
                woken = Some(waker);
            }
        }
    }
}
