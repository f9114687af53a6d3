//! The two kinds of socket address.

use std::fmt;
use std::net::SocketAddr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Longest path of a Unix socket, bytes (`sun_path` less its terminating zero).
pub const UNIX_PATH_MAX: usize = 107;

/// An address that a socket can have.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Address {
    /// IP and port. Port 0 asks the system for one.
    Ip(SocketAddr),
    /// A Unix socket's path; `@name` is in the abstract namespace; empty for an unnamed peer.
    Unix(PathBuf),
}

impl Address {
    /// The IP form, if it is one.
    #[must_use]
    pub fn ip(&self) -> Option<SocketAddr> {
        match self {
            Self::Ip(address) => Some(*address),
            Self::Unix(_) => None,
        }
    }

    /// The abstract name, if the address is one.
    #[must_use]
    pub fn abstract_name(&self) -> Option<&[u8]> {
        match self {
            Self::Unix(path) => path.as_os_str().as_bytes().strip_prefix(b"@"),
            Self::Ip(_) => None,
        }
    }

    /// The path in the file system, if the address is one.
    #[must_use]
    pub fn file_path(&self) -> Option<&Path> {
        match self {
            Self::Unix(path) if self.abstract_name().is_none() => Some(path),
            _ => None,
        }
    }

    /// From what the standard library says of a Unix socket.
    pub(crate) fn from_unix(address: &std::os::unix::net::SocketAddr) -> Self {
        use std::os::linux::net::SocketAddrExt;
        if let Some(path) = address.as_pathname() {
            return Self::Unix(path.to_owned());
        }
        let mut text = Vec::new();
        if let Some(name) = address.as_abstract_name() {
            text.push(b'@');
            text.extend_from_slice(name);
        }
        Self::Unix(PathBuf::from(std::ffi::OsStr::from_bytes(&text)))
    }

    /// The form that Unix socket calls take.
    ///
    /// # Errors
    /// The path or name is longer than [`UNIX_PATH_MAX`] or not a valid one.
    pub(crate) fn to_unix(path: &Path) -> std::io::Result<std::os::unix::net::SocketAddr> {
        use std::os::linux::net::SocketAddrExt;
        use std::os::unix::net::SocketAddr as UnixAddr;
        match path.as_os_str().as_bytes().strip_prefix(b"@") {
            Some(name) => UnixAddr::from_abstract_name(name),
            None => UnixAddr::from_pathname(path),
        }
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self::Ip(address)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => write!(f, "{address}"),
            Self::Unix(path) => write!(f, "{}", path.display()),
        }
    }
}

/// An IPv4-mapped IPv6 address as the IPv4 address that it is: what a dual-stack socket reports of an
/// IPv4 peer.
#[must_use]
pub fn unmap(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_abstract_names_from_paths() {
        let name = Address::Unix("@weft".into());
        assert_eq!(name.abstract_name(), Some(&b"weft"[..]));
        assert_eq!(name.file_path(), None);
        let path = Address::Unix("/run/weft".into());
        assert_eq!(path.abstract_name(), None);
        assert_eq!(path.file_path(), Some(Path::new("/run/weft")));
    }

    #[test]
    fn unmaps_only_mapped_addresses() {
        assert_eq!(unmap("[::ffff:10.0.0.1]:80".parse().unwrap()), "10.0.0.1:80".parse().unwrap());
        assert_eq!(unmap("[::1]:80".parse().unwrap()), "[::1]:80".parse().unwrap());
    }
}
