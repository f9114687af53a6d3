//! A connection shared by its owner and the handles of its streams, all on one thread.

use std::cell::{RefCell, RefMut};
use std::future::poll_fn;
use std::rc::Rc;

use weft_codec::Codec;

use crate::connection::Connection;
use crate::wake::Role;

/// A shared connection. It is borrowed only within one poll, never over an await.
#[derive(Clone)]
pub(crate) struct Shared(Rc<RefCell<Connection>>);

impl Shared {
    pub(crate) fn new(connection: Connection) -> Self {
        Self(Rc::new(RefCell::new(connection)))
    }

    pub(crate) fn get(&self) -> RefMut<'_, Connection> {
        self.0.borrow_mut()
    }

    /// The connection, unless it is in use further up the stack.
    pub(crate) fn try_get(&self) -> Option<RefMut<'_, Connection>> {
        self.0.try_borrow_mut().ok()
    }

    pub(crate) fn downgrade(&self) -> std::rc::Weak<RefCell<Connection>> {
        Rc::downgrade(&self.0)
    }

    pub(crate) fn upgrade(weak: &std::rc::Weak<RefCell<Connection>>) -> Option<Self> {
        weak.upgrade().map(Self)
    }

    /// On an inline connection, after a command: writes what can be written now; a task sees to the
    /// rest, since nobody may poll this connection for a while.
    pub(crate) async fn write_now(&self) {
        let left = poll_fn(|cx| {
            let mut connection = self.get();
            if connection.driven {
                return std::task::Poll::Ready(false);
            }
            let pending = connection.poll_flush(Role::Send, cx).is_pending();
            std::task::Poll::Ready(pending && !std::mem::replace(&mut connection.flushing, true))
        })
        .await;
        if left {
            let shared = self.clone();
            tokio::task::spawn_local(async move { shared.write_rest().await });
        }
    }

    async fn write_rest(&self) {
        poll_fn(|cx| self.get().poll_flush(Role::Flush, cx)).await;
        self.get().flushing = false;
    }

    /// Waits until all output is written, and the sending direction ended if a tunnel wants that.
    pub(crate) async fn flush(&self) {
        poll_fn(|cx| {
            let mut connection = self.get();
            if connection.driven {
                connection.announce_output();
                return std::task::Poll::Ready(());
            }
            connection.poll_flush(Role::Send, cx)
        })
        .await;
    }

    /// Bytes waiting to be written.
    pub(crate) fn output_len(&self) -> usize {
        self.get().codec.output().len()
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0.try_borrow() {
            Ok(c) => write!(f, "{:?}, {} streams", c.codec, c.streams.len()),
            Err(_) => f.write_str("connection in use"),
        }
    }
}
