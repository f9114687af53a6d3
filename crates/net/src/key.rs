//! What tells one listening socket from another, and how it is opened.

use std::fmt;

use crate::address::Address;
use crate::keepalive::Keepalive;
use crate::netns::Namespace;

/// Identity of a listening socket: two listeners with the same key are served by the same socket.
/// What is not in the key can change while the socket lives.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SocketKey {
    /// Where it listens.
    pub address: Address,
    /// Network namespace; `None` is the process's own.
    pub namespace: Option<Namespace>,
    /// Takes connections to foreign addresses (`IP_TRANSPARENT`, needs CAP_NET_ADMIN).
    pub transparent: bool,
    /// Firewall mark of its packets (`SO_MARK`, needs CAP_NET_ADMIN).
    pub mark: Option<u32>,
}

impl SocketKey {
    /// A key of that address without anything special.
    #[must_use]
    pub fn new(address: impl Into<Address>) -> Self {
        Self { address: address.into(), namespace: None, transparent: false, mark: None }
    }

    /// Whether the system chooses the port, so that no two openings mean the same socket.
    #[must_use]
    pub fn is_ephemeral(&self) -> bool {
        self.address.ip().is_some_and(|a| a.port() == 0)
    }
}

impl fmt::Display for SocketKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.address)?;
        if let Some(namespace) = &self.namespace {
            write!(f, " in namespace {namespace}")?;
        }
        if self.transparent {
            f.write_str(" transparent")?;
        }
        match self.mark {
            Some(mark) => write!(f, " mark {mark}"),
            None => Ok(()),
        }
    }
}

/// How the workers of a process share an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharing {
    /// That many sockets with `SO_REUSEPORT`: the kernel spreads connections over them. Another
    /// process of the same user can join in silence.
    ReusePort(usize),
    /// One socket that all workers accept from. A second process on the address fails loudly; for
    /// loopback listeners of a desktop, and for Unix sockets.
    Exclusive,
}

/// How a listening socket is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenOptions {
    /// Sharing among workers (default exclusive).
    pub sharing: Sharing,
    /// Length of the accept queue, connections (default 4,096; Envoy `tcp_backlog_size`; the system
    /// cuts it to `net.core.somaxconn`).
    pub backlog: u32,
    /// Bind although the address is not (yet) on this host (`IP_FREEBIND`; default false).
    pub freebind: bool,
    /// A socket on `[::]` takes IPv4 as well (Envoy `ipv4_compat`; default false).
    pub ipv4_compat: bool,
    /// `TCP_NODELAY` of accepted connections (default true, as in Envoy).
    pub nodelay: bool,
    /// Keepalive of accepted connections (default none).
    pub keepalive: Option<Keepalive>,
    /// Permission bits of a Unix socket's file (`None`: by the process's umask; Envoy `Pipe.mode`).
    pub unix_mode: Option<u32>,
}

impl Default for ListenOptions {
    fn default() -> Self {
        Self {
            sharing: Sharing::Exclusive,
            backlog: 4096,
            freebind: false,
            ipv4_compat: false,
            nodelay: true,
            keepalive: None,
            unix_mode: None,
        }
    }
}
