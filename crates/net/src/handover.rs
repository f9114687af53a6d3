//! Hot upgrade: an old process hands its listening sockets to a new one over a Unix socket.
//!
//! ```text
//!   new process                               old process
//!      │  hello  versions lowest..=highest        │
//!      ├─────────────────────────────────────────►│
//!      │  welcome  version, number of sockets     │   (or: refused, its versions)
//!      │◄─────────────────────────────────────────┤
//!      │  socket  key + one descriptor      × n   │
//!      │◄─────────────────────────────────────────┤
//!      │        … configures itself, listens …    │   still serves
//!      │  ready                                   │
//!      ├─────────────────────────────────────────►│   stops accepting, drains, exits
//! ```
//!
//! Until `ready` nothing is decided: a new process that dies leaves the old one as it was. Since both
//! hold the same sockets, no connection in an accept queue is lost. Messages are datagrams of at most
//! [`MESSAGE_MAX`] bytes (`SOCK_SEQPACKET`), so a message and its descriptor stay together. Only a
//! process of the same user, or root, is answered. Calls block: run them on a thread of their own.

mod channel;
mod message;

use std::collections::HashMap;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

use crate::key::SocketKey;
use crate::netns::Namespace;
use crate::source::ListenerSource;
use channel::{Channel, Listening};
use message::Message;

/// Lowest version of the protocol that is spoken.
pub const VERSION_MIN: u16 = 1;
/// Highest version of the protocol that is spoken.
pub const VERSION_MAX: u16 = 1;
/// Longest message, bytes.
pub const MESSAGE_MAX: usize = 1024;
/// Most sockets that one process takes over.
pub const SOCKETS_MAX: usize = 65_536;

/// Why sockets did not change hands.
#[derive(Debug, thiserror::Error)]
pub enum HandoverError {
    /// A system call failed, or the other side is gone or silent.
    #[error("handover: {step}: {source}")]
    System {
        /// What was tried.
        step: &'static str,
        /// The system's error.
        source: io::Error,
    },
    /// The two processes share no version of the protocol.
    #[error(
        "handover: the other side speaks versions {theirs_min} to {theirs_max}, we {} to {}",
        VERSION_MIN,
        VERSION_MAX
    )]
    Version {
        /// Its lowest.
        theirs_min: u16,
        /// Its highest.
        theirs_max: u16,
    },
    /// The other side is another user's.
    #[error("handover: refused to user {0}")]
    Foreign(u32),
    /// A message that does not belong here.
    #[error("handover: unexpected message: {0}")]
    Protocol(String),
    /// A key names a network namespace that is not known here.
    #[error("handover: unknown network namespace {0}:{1}")]
    UnknownNamespace(u64, u64),
}

impl HandoverError {
    fn at(step: &'static str) -> impl Fn(io::Error) -> Self {
        move |source| Self::System { step, source }
    }
}

/// The old process's end: waits for a successor.
#[derive(Debug)]
pub struct Offer {
    listening: Listening,
}

impl Offer {
    /// Listens for a successor at `path`; a stale file is replaced.
    ///
    /// # Errors
    /// The path is taken by a live process or not a possible one.
    pub fn at(path: &Path) -> Result<Self, HandoverError> {
        Ok(Self { listening: Listening::bind(path).map_err(HandoverError::at("listen"))? })
    }

    /// As [`Self::at`], for a successor: takes the place of the old process that listens there still.
    ///
    /// # Errors
    /// The path is not a possible one.
    pub fn succeeding(path: &Path) -> Result<Self, HandoverError> {
        Ok(Self { listening: Listening::replace(path).map_err(HandoverError::at("listen"))? })
    }

    /// Waits for a successor, gives it every open listener of `source`, and waits until it says that
    /// it serves. On return the caller drains. `patience` bounds each step after the successor came:
    /// it must cover the time in which it configures itself.
    ///
    /// # Errors
    /// The successor failed: go on serving, and call again.
    pub fn serve(&self, source: &ListenerSource, patience: Duration) -> Result<(), HandoverError> {
        let channel = self.listening.accept(patience).map_err(HandoverError::at("accept"))?;
        let user = channel.peer_user().map_err(HandoverError::at("SO_PEERCRED"))?;
        if user != nix::unistd::geteuid().as_raw() && user != 0 {
            return Err(HandoverError::Foreign(user));
        }
        let listeners = source.listeners();
        let result = give(&channel, &listeners);
        if result.is_err() {
            listeners.iter().for_each(|(_, bound)| bound.keep());
        }
        result
    }
}

fn give(
    channel: &Channel,
    listeners: &[(SocketKey, std::sync::Arc<crate::BoundListener>)],
) -> Result<(), HandoverError> {
    let (lowest, highest) = match channel.receive()?.0 {
        Message::Hello { lowest, highest } => (lowest, highest),
        other => return Err(HandoverError::Protocol(format!("{other:?}"))),
    };
    let version = highest.min(VERSION_MAX);
    if version < lowest.max(VERSION_MIN) {
        channel.send(&Message::Refused { lowest: VERSION_MIN, highest: VERSION_MAX }, None)?;
        return Err(HandoverError::Version { theirs_min: lowest, theirs_max: highest });
    }
    let mut sockets: Vec<(&SocketKey, OwnedFd)> = Vec::new();
    for (key, bound) in listeners {
        let copies = bound.hand_over().map_err(HandoverError::at("dup"))?;
        sockets.extend(copies.into_iter().map(|socket| (key, socket)));
    }
    let count = u32::try_from(sockets.len()).unwrap_or(u32::MAX);
    channel.send(&Message::Welcome { version, count }, None)?;
    for (key, socket) in sockets {
        channel.send(&Message::Socket(key.into()), Some(&socket))?;
    }
    match channel.receive()?.0 {
        Message::Ready => Ok(()),
        other => Err(HandoverError::Protocol(format!("{other:?}"))),
    }
}

/// The new process's end: has the sockets, and owes the old process a word.
#[derive(Debug)]
pub struct Takeover {
    channel: Channel,
    sockets: usize,
}

impl Takeover {
    /// Asks the process at `path` for its sockets and puts them into `source`, where listeners of the
    /// same key find them. `namespaces` are those that keys may name. `None`: nobody is there.
    ///
    /// # Errors
    /// [`HandoverError`]; nothing was taken over then, and the old process serves on.
    pub fn from(
        path: &Path,
        source: &ListenerSource,
        namespaces: &[Namespace],
        patience: Duration,
    ) -> Result<Option<Self>, HandoverError> {
        let channel = match Channel::connect(path, patience) {
            Ok(channel) => channel,
            Err(error) => {
                return match error.kind() {
                    io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => Ok(None),
                    _ => Err(HandoverError::at("connect")(error)),
                };
            }
        };
        channel.send(&Message::Hello { lowest: VERSION_MIN, highest: VERSION_MAX }, None)?;
        let count = match channel.receive()?.0 {
            Message::Welcome { version: VERSION_MIN..=VERSION_MAX, count } => count as usize,
            Message::Refused { lowest, highest } => {
                return Err(HandoverError::Version { theirs_min: lowest, theirs_max: highest });
            }
            other => return Err(HandoverError::Protocol(format!("{other:?}"))),
        };
        if count > SOCKETS_MAX {
            return Err(HandoverError::Protocol(format!("{count} sockets")));
        }
        let mut received: HashMap<SocketKey, Vec<OwnedFd>> = HashMap::new();
        for _ in 0..count {
            match channel.receive()? {
                (Message::Socket(key), Some(socket)) => {
                    received.entry(key.resolve(namespaces)?).or_default().push(socket);
                }
                (other, _) => return Err(HandoverError::Protocol(format!("{other:?}"))),
            }
        }
        for (key, sockets) in received {
            source.receive(key, sockets);
        }
        Ok(Some(Self { channel, sockets: count }))
    }

    /// How many sockets came.
    #[must_use]
    pub fn sockets(&self) -> usize {
        self.sockets
    }

    /// Tells the old process that its successor serves: it stops accepting and drains.
    ///
    /// # Errors
    /// The old process is gone, which is as good.
    pub fn ready(self) -> Result<(), HandoverError> {
        self.channel.send(&Message::Ready, None)
    }
}
