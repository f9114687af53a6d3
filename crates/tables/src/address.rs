//! Where to listen and where to connect.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

/// An address of `envoy.config.core.v3.Address`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SocketAddress {
    /// IP and port.
    Ip(SocketAddr),
    /// A Unix socket's path; `@name` for the abstract namespace.
    Unix(PathBuf),
    /// A host name and port, to be resolved (clusters of DNS types only).
    Name(Box<str>, u16),
    /// A listener of this very process (`envoy_internal_address`).
    Internal(Box<str>),
}

impl SocketAddress {
    /// The IP form, if it is one.
    #[must_use]
    pub fn ip(&self) -> Option<SocketAddr> {
        match self {
            Self::Ip(address) => Some(*address),
            _ => None,
        }
    }
}

impl fmt::Display for SocketAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => write!(f, "{address}"),
            Self::Unix(path) => write!(f, "{}", path.display()),
            Self::Name(host, port) => write!(f, "{host}:{port}"),
            Self::Internal(name) => write!(f, "envoy://{name}"),
        }
    }
}
