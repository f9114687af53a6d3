//! Accepting connections.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use nix::errno::Errno;
use socket2::{SockRef, Socket};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use crate::address::{Address, unmap};
use crate::source::BoundListener;
use crate::stream::Stream;

/// First pause after descriptors or memory ran out; doubled up to [`BACKOFF_MAX`].
pub const BACKOFF_MIN: Duration = Duration::from_millis(5);
/// Longest pause between tries while descriptors or memory are short.
pub const BACKOFF_MAX: Duration = Duration::from_secs(1);

/// A new connection.
#[derive(Debug)]
pub struct Accepted {
    /// Its stream.
    pub stream: Stream,
    /// The other end; IPv4-mapped addresses as IPv4. Unix clients are mostly unnamed (empty path).
    pub peer: Address,
    /// Our end; IPv4-mapped addresses as IPv4. `None` for Unix sockets, and when the connection is gone.
    pub local: Option<SocketAddr>,
}

/// One worker's end of a listener. It holds the listener open; drop it only after
/// [`Acceptor::accept_queued`] gave `None`, or connections of the queue are reset.
#[derive(Debug)]
pub struct Acceptor {
    bound: Arc<BoundListener>,
    sockets: Vec<Listening>,
    /// The one address that connections can come to; `None`: each is asked for its own.
    local: Option<SocketAddr>,
    /// Where polling begins, so that no socket starves the others.
    next: usize,
    backoff: Duration,
    exhausted: u64,
}

#[derive(Debug)]
enum Listening {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Acceptor {
    pub(crate) fn new(bound: Arc<BoundListener>, sockets: Vec<Socket>) -> io::Result<Self> {
        let is_unix = matches!(bound.local_address(), Address::Unix(_));
        let wrap = |socket: Socket| {
            // A received socket may have lost the flag: it belongs to the open file, not to us.
            socket.set_nonblocking(true)?;
            if is_unix {
                UnixListener::from_std(std::os::fd::OwnedFd::from(socket).into()).map(Listening::Unix)
            } else {
                TcpListener::from_std(socket.into()).map(Listening::Tcp)
            }
        };
        let sockets = sockets.into_iter().map(wrap).collect::<io::Result<_>>()?;
        let fixed = |address: &SocketAddr| !address.ip().is_unspecified() && !bound.key().transparent;
        let local = bound.local_address().ip().filter(fixed).map(unmap);
        Ok(Self { bound, sockets, local, next: 0, backoff: BACKOFF_MIN, exhausted: 0 })
    }

    /// The listener behind it.
    #[must_use]
    pub fn listener(&self) -> &Arc<BoundListener> {
        &self.bound
    }

    /// How often accepting had to pause because descriptors or memory ran out.
    #[must_use]
    pub fn exhausted(&self) -> u64 {
        self.exhausted
    }

    /// The next connection. Errors of single connections are passed over; when descriptors or memory
    /// run out it pauses and tries again. May be dropped without loss at any time.
    ///
    /// # Errors
    /// The socket itself is broken: it will never accept again.
    pub async fn accept(&mut self) -> io::Result<Accepted> {
        loop {
            match std::future::poll_fn(|cx| self.poll_accept(cx)).await {
                Ok(accepted) => {
                    self.backoff = BACKOFF_MIN;
                    return Ok(accepted);
                }
                Err(error) => match Failure::of(&error) {
                    Failure::Connection => {}
                    Failure::Exhausted => {
                        self.exhausted += 1;
                        tokio::time::sleep(self.backoff).await;
                        self.backoff = (self.backoff * 2).min(BACKOFF_MAX);
                    }
                    Failure::Socket => return Err(error),
                },
            }
        }
    }

    /// A connection that waits in the queue, without waiting for one: for emptying the queue before
    /// closing. `None` also when the queue cannot be read.
    pub fn accept_queued(&mut self) -> Option<Accepted> {
        self.sockets.iter().find_map(|socket| {
            loop {
                let result = match socket {
                    // Straight from the kernel: readiness known to the runtime may be out of date.
                    Listening::Tcp(listener) => SockRef::from(listener).accept().and_then(|(stream, _)| {
                        stream.set_nonblocking(true)?;
                        let stream = TcpStream::from_std(stream.into())?;
                        let peer = stream.peer_addr()?;
                        Ok(tcp(stream, peer, self.local))
                    }),
                    Listening::Unix(listener) => SockRef::from(listener).accept().and_then(|(stream, _)| {
                        stream.set_nonblocking(true)?;
                        let stream = UnixStream::from_std(std::os::fd::OwnedFd::from(stream).into())?;
                        let peer = Address::from_unix(&stream.peer_addr()?.into());
                        Ok(Accepted { stream: Stream::Unix(stream), peer, local: None })
                    }),
                };
                match result {
                    Ok(accepted) => return Some(accepted),
                    Err(error) if matches!(Failure::of(&error), Failure::Connection) => {}
                    Err(_) => return None,
                }
            }
        })
    }

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Accepted>> {
        let count = self.sockets.len();
        for step in 0..count {
            let at = (self.next + step) % count;
            let Some(socket) = self.sockets.get(at) else { break };
            let polled = match socket {
                Listening::Tcp(listener) => {
                    listener.poll_accept(cx).map_ok(|(stream, peer)| tcp(stream, peer, self.local))
                }
                Listening::Unix(listener) => listener.poll_accept(cx).map_ok(|(stream, peer)| Accepted {
                    stream: Stream::Unix(stream),
                    peer: Address::from_unix(&peer.into()),
                    local: None,
                }),
            };
            if let Poll::Ready(result) = polled {
                self.next = at + 1;
                return Poll::Ready(result);
            }
        }
        Poll::Pending
    }
}

fn tcp(stream: TcpStream, peer: SocketAddr, local: Option<SocketAddr>) -> Accepted {
    let local = local.or_else(|| stream.local_addr().ok().map(unmap));
    Accepted { stream: Stream::Tcp(stream), peer: Address::Ip(unmap(peer)), local }
}

/// What an error of `accept(2)` concerns.
enum Failure {
    /// One connection, which is gone; the next one may be fine.
    Connection,
    /// Descriptors or memory: it helps to wait.
    Exhausted,
    /// The listening socket.
    Socket,
}

impl Failure {
    fn of(error: &io::Error) -> Self {
        match error.raw_os_error().map(Errno::from_raw) {
            Some(Errno::EMFILE | Errno::ENFILE | Errno::ENOBUFS | Errno::ENOMEM) => Self::Exhausted,
            Some(Errno::EBADF | Errno::EINVAL | Errno::ENOTSOCK | Errno::EOPNOTSUPP | Errno::EAGAIN) => {
                Self::Socket
            }
            // accept(2) passes on errors that are pending on the new connection (ECONNABORTED, EPERM
            // of a firewall, network errors).
            Some(_) => Self::Connection,
            None => Self::Socket,
        }
    }
}
