//! The upstream end: requests go out, responses come in.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll};

use bytes::BytesMut;
use tokio::time::Instant;
use weft_codec::Codec;
use weft_types::{RequestHead, Version};

use crate::clock;
use crate::connection::Connection;
use crate::shared::Shared;
use crate::wake::Role;
use crate::{AnyCodec, ConnError, ConnHandle, ConnOptions, Io, RecvResponse, SendBody};

/// An upstream connection. Clones are the same connection; when the last one is dropped, it closes as
/// soon as its streams have ended. An HTTP/2 connection has a driver task of its own.
#[derive(Clone, Debug)]
pub struct ClientConn(Rc<Owner>);

#[derive(Debug)]
struct Owner {
    shared: Shared,
    draining: Cell<bool>,
    local: Cell<Option<std::net::SocketAddr>>,
    note: RefCell<Option<Rc<dyn Any>>>,
    born: Instant,
}

impl ClientConn {
    /// A connection over `io`, which must be connected. Must be called within a
    /// `tokio::task::LocalSet` for HTTP/2.
    #[must_use]
    pub fn new(io: impl Io, codec: AnyCodec, options: ConnOptions) -> Self {
        let shared = Shared::new(Connection::new(Box::new(io), codec, options, BytesMut::new()));
        if shared.get().driven {
            let driven = shared.clone();
            tokio::task::spawn_local(clock::turns(async move {
                poll_fn(|cx| driven.get().poll_drive(cx)).await;
                driven.get().close();
            }));
        }
        Self(Rc::new(Owner {
            shared,
            draining: Cell::new(false),
            local: Cell::new(None),
            note: RefCell::default(),
            born: clock::now(),
        }))
    }

    /// Sends a request's head, with `end` the whole request. The whole request is written at once; a
    /// head alone waits for what follows it (see [`SendBody`]).
    ///
    /// # Errors
    /// [`ConnError::NotOpen`] or [`ConnError::Closed`]: nothing was sent, another connection may
    /// serve. [`ConnError::Codec`]: the head cannot be expressed.
    pub async fn send_request(
        &self,
        head: &RequestHead,
        end: bool,
    ) -> Result<(SendBody, RecvResponse), ConnError> {
        let shared = &self.0.shared;
        let stream = shared.get().open(head, end)?;
        let handles = (SendBody::new(shared.clone(), stream), RecvResponse::new(shared.clone(), stream));
        if end {
            shared.write_now().await;
        }
        Ok(handles)
    }

    /// Notes our end's address, for logs; the connection itself has no use for it.
    #[must_use]
    pub fn with_local(self, address: Option<std::net::SocketAddr>) -> Self {
        self.0.local.set(address);
        self
    }

    /// Our end's address, if it was noted.
    #[must_use]
    pub fn local(&self) -> Option<std::net::SocketAddr> {
        self.0.local.get()
    }

    /// Notes what its maker wants to know of it later, such as who is at the other end; the connection
    /// itself has no use for it.
    #[must_use]
    pub fn with_note(self, note: Option<Rc<dyn Any>>) -> Self {
        self.0.note.replace(note);
        self
    }

    /// What was noted, if it is of that type.
    #[must_use]
    pub fn note<T: 'static>(&self) -> Option<Rc<T>> {
        self.0.note.borrow().clone()?.downcast().ok()
    }

    /// When it was made.
    #[must_use]
    pub fn born(&self) -> Instant {
        self.0.born
    }

    /// Whether a request may be sent now.
    #[must_use]
    pub fn can_open(&self) -> bool {
        if self.is_draining() {
            return false;
        }
        let connection = self.0.shared.get();
        !connection.is_closed()
            && !connection.read_end
            && !connection.write_failed
            && connection.codec.can_open()
    }

    /// Lets go of the read buffer while nothing is in it: the connection waits for its next use.
    pub fn rest(&self) {
        let connection = &mut *self.0.shared.get();
        if connection.input.is_empty() {
            connection.options.buffers.give(std::mem::take(&mut connection.input));
        }
    }

    /// How many streams are open.
    #[must_use]
    pub fn open_streams(&self) -> usize {
        self.0.shared.get().codec.open_streams()
    }

    /// How many requests were sent here in all.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.0.shared.get().counters.streams
    }

    /// Whether the connection is over.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.0.shared.get().is_closed()
    }

    /// Whether it takes no new streams, by our wish or the peer's.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.0.draining.get() || self.0.shared.get().peer_draining
    }

    /// Lets it take no new streams; it closes when the open ones have ended and the pool has let go.
    pub fn start_drain(&self) {
        self.0.draining.set(true);
    }

    /// Whether an idle HTTP/1.x connection can still be used: the peer has neither closed it nor sent
    /// anything unasked. Does not wait; closes it if not. Always true where a driver watches.
    #[must_use]
    pub fn check_idle(&self) -> bool {
        let mut connection = self.0.shared.get();
        if connection.driven { !connection.is_closed() } else { connection.is_quiet() }
    }

    /// Closes at once; open streams see `ConnectionClosed`.
    pub fn abort(&self) {
        self.0.shared.get().close();
    }

    /// Whether many requests can share the connection.
    #[must_use]
    pub fn is_multiplexed(&self) -> bool {
        self.0.shared.get().driven
    }

    /// The protocol version spoken.
    #[must_use]
    pub fn version(&self) -> Version {
        self.0.shared.get().codec.version()
    }

    /// A handle for heartbeats, counts and the time of last activity.
    #[must_use]
    pub fn handle(&self) -> ConnHandle {
        ConnHandle::new(&self.0.shared)
    }

    /// A reference that does not keep the connection.
    pub(crate) fn downgrade(&self) -> WeakConn {
        WeakConn(Rc::downgrade(&self.0))
    }
}

/// A [`ClientConn`] that may be gone.
#[derive(Clone, Debug)]
pub(crate) struct WeakConn(Weak<Owner>);

impl WeakConn {
    pub(crate) fn upgrade(&self) -> Option<ClientConn> {
        self.0.upgrade().map(ClientConn)
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        let mut connection = self.shared.get();
        connection.abandoned = true;
        if connection.driven {
            connection.waiting.wake_role(Role::Driver);
        } else if connection.streams.is_empty() {
            connection.close();
        }
    }
}

impl Connection {
    /// Moves all streams' bytes until the connection is over.
    fn poll_drive(&mut self, cx: &Context<'_>) -> Poll<()> {
        loop {
            if self.pump() {
                continue;
            }
            // What is left unwritten when all is over concerns no stream: not worth waiting for.
            let _ = self.poll_flush(Role::Driver, cx);
            let over = self.error.is_some() || self.codec.is_finished() || self.read_end_told;
            if over || (self.abandoned && self.streams.is_empty()) {
                return Poll::Ready(());
            }
            if self.poll_fill(Role::Driver, cx).is_pending() {
                if self.input.len() >= self.options.input_limit {
                    self.fail(ConnError::InputLimit(self.options.input_limit));
                    continue;
                }
                self.waiting.register(Role::Driver, cx.waker());
                return Poll::Pending;
            }
        }
    }
}
