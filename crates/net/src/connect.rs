//! Connecting to upstream addresses.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::Interest;
use tokio::net::{TcpStream, UnixStream};

use crate::address::{Address, UNIX_PATH_MAX};
use crate::keepalive::Keepalive;
use crate::netns::Namespace;
use crate::stream::Stream;

/// Why a connection was not made.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// It took longer than the caller allows.
    #[error("connect to {address}: no answer within {limit:?}")]
    Timeout {
        /// Where to.
        address: Address,
        /// The time allowed.
        limit: Duration,
    },
    /// Refused or unreachable, as the network says.
    #[error("connect to {address}: {source}")]
    Remote {
        /// Where to.
        address: Address,
        /// The system's error.
        source: io::Error,
    },
    /// Our own socket could not be made as asked.
    #[error("socket for {address}: {step}: {source}")]
    Local {
        /// Where to.
        address: Address,
        /// The call or option that failed.
        step: &'static str,
        /// The system's error.
        source: io::Error,
    },
}

impl ConnectError {
    /// Envoy's words for `%UPSTREAM_TRANSPORT_FAILURE_REASON%`, blanks as underscores as it logs them;
    /// empty for a timeout, as there.
    #[must_use]
    pub fn reason(&self) -> String {
        match self {
            Self::Timeout { .. } => String::new(),
            Self::Remote { source, .. } => format!("delayed_connect_error:_{}", plain(source)),
            Self::Local { source, .. } => format!("immediate_connect_error:_{}", plain(source)),
        }
    }

    /// Whether the time ran out.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        matches!(self, Self::Timeout { .. })
    }
}

/// The system's text for an error, without the number that Rust appends and without blanks.
fn plain(error: &io::Error) -> String {
    error
        .raw_os_error()
        .map_or_else(|| error.to_string(), |code| Errno::from_raw(code).desc().to_owned())
        .replace(' ', "_")
}

/// How the sockets toward an upstream are made. The default is a plain socket with `TCP_NODELAY`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct UpstreamSocket {
    /// Source address to bind; port 0 lets the system choose one that is free toward this very
    /// destination. Not used when its family differs from the destination's.
    pub bind: Option<SocketAddr>,
    /// The source address may be foreign (`IP_TRANSPARENT`, needs CAP_NET_ADMIN).
    pub transparent: bool,
    /// Firewall mark of its packets (`SO_MARK`, needs CAP_NET_ADMIN).
    pub mark: Option<u32>,
    /// Keepalive; `None` is off.
    pub keepalive: Option<Keepalive>,
    /// Time that sent bytes may stay unacknowledged; `None`: the system's default
    /// (`TCP_USER_TIMEOUT`).
    pub user_timeout: Option<Duration>,
    /// Network namespace to connect in; `None` is the process's own.
    pub namespace: Option<Namespace>,
}

impl UpstreamSocket {
    /// Connects within `limit`.
    ///
    /// # Errors
    /// [`ConnectError`], by who is at fault.
    pub async fn connect(&self, to: &Address, limit: Duration) -> Result<Stream, ConnectError> {
        match tokio::time::timeout(limit, self.connect_unlimited(to)).await {
            Ok(result) => result,
            Err(_) => Err(ConnectError::Timeout { address: to.clone(), limit }),
        }
    }

    /// As [`Self::connect`], for callers that have a limit of their own.
    ///
    /// # Errors
    /// [`ConnectError`] other than a timeout.
    pub async fn connect_unlimited(&self, to: &Address) -> Result<Stream, ConnectError> {
        match to {
            Address::Ip(address) => self.connect_tcp(to, *address).await.map(Stream::Tcp),
            Address::Unix(path) => connect_unix(to, path).map(Stream::Unix),
        }
    }

    async fn connect_tcp(&self, to: &Address, address: SocketAddr) -> Result<TcpStream, ConnectError> {
        let local = |(step, source)| ConnectError::Local { address: to.clone(), step, source };
        let socket = match &self.namespace {
            None => self.make(address).map_err(local)?,
            Some(namespace) => {
                let options = self.clone();
                let made = namespace.run(move || options.make(address));
                made.map_err(|e| local(("network namespace", e)))?.map_err(local)?
            }
        };
        establish(socket, address).await.map_err(|source| match source.kind() {
            // No route from here: the packet never left.
            io::ErrorKind::NetworkUnreachable | io::ErrorKind::AddrNotAvailable => {
                ConnectError::Local { address: to.clone(), step: "connect", source }
            }
            _ => ConnectError::Remote { address: to.clone(), source },
        })
    }

    fn make(&self, to: SocketAddr) -> Result<Socket, (&'static str, io::Error)> {
        let step = |name| move |e: io::Error| (name, e);
        let socket = Socket::new(Domain::for_address(to), Type::STREAM.nonblocking(), Some(Protocol::TCP))
            .map_err(step("socket"))?;
        socket.set_tcp_nodelay(true).map_err(step("TCP_NODELAY"))?;
        if let Some(mark) = self.mark {
            socket.set_mark(mark).map_err(step("SO_MARK"))?;
        }
        if let Some(keepalive) = &self.keepalive {
            keepalive.apply(&socket).map_err(step("SO_KEEPALIVE"))?;
        }
        if let Some(limit) = self.user_timeout {
            socket.set_tcp_user_timeout(Some(limit)).map_err(step("TCP_USER_TIMEOUT"))?;
        }
        if self.transparent {
            match to {
                SocketAddr::V4(_) => socket.set_ip_transparent_v4(true),
                SocketAddr::V6(_) => socket.set_ip_transparent_v6(true),
            }
            .map_err(step("IP_TRANSPARENT"))?;
        }
        if let Some(from) = self.bind.filter(|from| from.is_ipv4() == to.is_ipv4()) {
            if from.port() == 0 {
                // Else every connection from this address would take a port of its own, and some
                // 28,000 would be all.
                setsockopt(&socket, sockopt::IpBindAddressNoPort, &true)
                    .map_err(|e| ("IP_BIND_ADDRESS_NO_PORT", e.into()))?;
            } else {
                socket.set_reuse_address(true).map_err(step("SO_REUSEADDR"))?;
            }
            socket.bind(&from.into()).map_err(step("bind"))?;
        }
        Ok(socket)
    }
}

/// Connects and waits until the other end has answered. The socket's readiness tells whether it did well;
/// only a failed one is asked for its error.
async fn establish(socket: Socket, to: SocketAddr) -> io::Result<TcpStream> {
    match socket.connect(&to.into()) {
        Err(error) if error.raw_os_error() != Some(Errno::EINPROGRESS as i32) => return Err(error),
        _ => {}
    }
    let stream = TcpStream::from_std(socket.into())?;
    let ready = stream.ready(Interest::WRITABLE | Interest::ERROR).await?;
    if (ready.is_error() || ready.is_write_closed() || ready.is_read_closed())
        && let Some(error) = stream.take_error()?
    {
        return Err(error);
    }
    Ok(stream)
}

fn connect_unix(to: &Address, path: &Path) -> Result<UnixStream, ConnectError> {
    let local = |step, source| ConnectError::Local { address: to.clone(), step, source };
    if path.as_os_str().len() > UNIX_PATH_MAX + 1 {
        return Err(local("path", io::Error::new(io::ErrorKind::InvalidFilename, "longer than 107 bytes")));
    }
    let address = Address::to_unix(path).map_err(|e| local("path", e))?;
    // Unix sockets connect at once or fail; there is nothing to wait for but a full queue.
    let stream = std::os::unix::net::UnixStream::connect_addr(&address)
        .map_err(|source| ConnectError::Remote { address: to.clone(), source })?;
    stream.set_nonblocking(true).map_err(|e| local("O_NONBLOCK", e))?;
    UnixStream::from_std(stream).map_err(|e| local("register", e))
}
