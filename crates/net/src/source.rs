//! The one place that listening sockets come from.

use std::collections::HashMap;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use socket2::Socket;

use crate::accept::Acceptor;
use crate::address::Address;
use crate::bind;
use crate::key::{ListenOptions, SocketKey};

/// Why a listener has no socket.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// A system call failed.
    #[error("cannot listen on {key}: {step}: {source}")]
    Socket {
        /// What was to be opened.
        key: String,
        /// The call or option that failed.
        step: &'static str,
        /// The system's error.
        source: io::Error,
    },
    /// The network namespace cannot be entered.
    #[error("cannot listen on {key}: network namespace: {source}")]
    Namespace {
        /// What was to be opened.
        key: String,
        /// The system's error.
        source: io::Error,
    },
    /// A Unix socket's path does not fit into an address.
    #[error("unix socket path {} has {bytes} bytes, at most 107 are possible", path.display())]
    PathTooLong {
        /// The path.
        path: PathBuf,
        /// Its length.
        bytes: usize,
    },
}

impl ListenError {
    /// Whether another socket has the address.
    #[must_use]
    pub fn is_address_in_use(&self) -> bool {
        matches!(self, Self::Socket { source, .. } if source.kind() == io::ErrorKind::AddrInUse)
    }
}

/// Makes or receives every listening socket of the process (design invariant 6). A socket lives as
/// long as somebody holds its [`BoundListener`]; as a new configuration opens its listeners before
/// the old one lets go, an unchanged key keeps its socket and its accept queue.
#[derive(Debug, Default)]
pub struct ListenerSource {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    bound: HashMap<SocketKey, Weak<BoundListener>>,
    /// From an older process, not asked for yet.
    received: HashMap<SocketKey, Vec<Socket>>,
}

impl ListenerSource {
    /// A source without sockets.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The listener of that key: the one that is open, else the one received from an older process,
    /// else a new one. Port 0 always gives a new one. Of the options only `backlog` changes a
    /// socket that is open already.
    ///
    /// # Errors
    /// [`ListenError`]; above all that the address is in use.
    pub fn open(&self, key: &SocketKey, options: &ListenOptions) -> Result<Arc<BoundListener>, ListenError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bound) = state.bound.get(key).and_then(Weak::upgrade) {
            bound.set_backlog(options.backlog)?;
            return Ok(bound);
        }
        let (sockets, received) = match state.received.remove(key) {
            Some(sockets) => (sockets, true),
            None => (bind::open(key, options)?, false),
        };
        let bound = BoundListener::new(key, sockets)?;
        if received {
            bound.set_backlog(options.backlog)?;
        }
        if !key.is_ephemeral() {
            state.bound.insert(key.clone(), Arc::downgrade(&bound));
        } else if let address @ Address::Ip(_) = bound.address.clone() {
            // Known by its real address, so that a handover passes it on.
            state.bound.insert(SocketKey { address, ..key.clone() }, Arc::downgrade(&bound));
        }
        state.bound.retain(|_, bound| bound.strong_count() > 0);
        Ok(bound)
    }

    /// Puts sockets of an older process in stock, for [`Self::open`] to find.
    pub fn receive(&self, key: SocketKey, sockets: Vec<OwnedFd>) {
        let sockets = sockets.into_iter().map(Socket::from).collect();
        self.state.lock().unwrap_or_else(PoisonError::into_inner).received.insert(key, sockets);
    }

    /// Closes received sockets that no listener asked for: call it once the first configuration is
    /// complete. Returns their keys.
    pub fn close_unclaimed(&self) -> Vec<SocketKey> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.received.drain().map(|(key, _)| key).collect()
    }

    /// Every open listener with its key.
    #[must_use]
    pub fn listeners(&self) -> Vec<(SocketKey, Arc<BoundListener>)> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let open = state.bound.iter();
        open.filter_map(|(key, bound)| Some((key.clone(), bound.upgrade()?))).collect()
    }
}

/// The sockets of one key. Dropping the last holder closes them; a Unix socket's file goes too.
#[derive(Debug)]
pub struct BoundListener {
    key: SocketKey,
    address: Address,
    sockets: Vec<Socket>,
    /// Another process has the sockets as well and answers for the socket file.
    handed_over: AtomicBool,
}

impl BoundListener {
    fn new(key: &SocketKey, sockets: Vec<Socket>) -> Result<Arc<Self>, ListenError> {
        let fail = |source| ListenError::Socket { key: key.to_string(), step: "getsockname", source };
        let first = sockets.first().ok_or_else(|| fail(io::ErrorKind::NotFound.into()))?;
        let address = match &key.address {
            Address::Ip(_) => Address::Ip(
                first
                    .local_addr()
                    .map_err(fail)?
                    .as_socket()
                    .ok_or_else(|| fail(io::ErrorKind::Unsupported.into()))?,
            ),
            unix @ Address::Unix(_) => unix.clone(),
        };
        Ok(Arc::new(Self { key: key.clone(), address, sockets, handed_over: AtomicBool::new(false) }))
    }

    /// What it was opened as.
    #[must_use]
    pub fn key(&self) -> &SocketKey {
        &self.key
    }

    /// Where it listens; the port is the real one.
    #[must_use]
    pub fn local_address(&self) -> &Address {
        &self.address
    }

    /// The accepting end of one worker: `worker` of `workers`, from 0. Call it on the worker's
    /// runtime. Over all workers every socket is served, also when another process chose their number.
    ///
    /// # Errors
    /// Descriptors have run out, or there is no runtime.
    pub fn acceptor(self: &Arc<Self>, worker: usize, workers: usize) -> io::Result<Acceptor> {
        let workers = workers.max(1);
        let count = self.sockets.len();
        let own = self.sockets.iter().enumerate();
        let mut mine: Vec<_> =
            own.filter(|(at, _)| at % workers == worker % workers).map(|(_, s)| s).collect();
        if mine.is_empty() {
            mine.extend(self.sockets.get(worker % count));
        }
        let copies = mine.into_iter().map(Socket::try_clone).collect::<io::Result<Vec<_>>>()?;
        Acceptor::new(Arc::clone(self), copies)
    }

    /// Copies of the descriptors for another process, which from then on answers for a socket file.
    ///
    /// # Errors
    /// Descriptors have run out.
    pub fn hand_over(&self) -> io::Result<Vec<OwnedFd>> {
        let copies = self.sockets.iter().map(|s| s.try_clone().map(OwnedFd::from)).collect();
        self.handed_over.store(true, Ordering::Release);
        copies
    }

    /// Takes the answer for the socket file back, when a handover failed.
    pub fn keep(&self) {
        self.handed_over.store(false, Ordering::Release);
    }

    fn set_backlog(&self, backlog: u32) -> Result<(), ListenError> {
        for socket in &self.sockets {
            bind::listen(socket, backlog).map_err(|source| ListenError::Socket {
                key: self.key.to_string(),
                step: "listen",
                source,
            })?;
        }
        Ok(())
    }
}

impl Drop for BoundListener {
    fn drop(&mut self) {
        if self.handed_over.load(Ordering::Acquire) {
            return;
        }
        if let Some(path) = self.key.address.file_path() {
            // A file that is gone already is as good.
            let _ = std::fs::remove_file(path);
        }
    }
}
