//! Unix sockets for one reader: made with their mode before anyone can connect, removed when dropped.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use tokio::net::UnixListener;

/// Longest path, bytes: the kernel takes 107, and a socket is made beside its place under a name one longer.
pub const MAX_PATH_BYTES: usize = 106;
/// Who may connect: the owner.
pub const MODE: u32 = 0o600;

/// Why there is no socket.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// The path does not fit into a socket address.
    #[error("socket {}: the path is longer than {MAX_PATH_BYTES} bytes; choose a shorter folder", .0.display())]
    TooLong(PathBuf),
    /// Somebody listens there.
    #[error("socket {}: another process listens there; stop it, or choose another folder", .0.display())]
    InUse(PathBuf),
    /// There is something else.
    #[error("socket {}: there is a file of that name which is no socket", .0.display())]
    NotASocket(PathBuf),
    /// The system refuses.
    #[error("socket {}: {source}", path.display())]
    Io {
        /// The path.
        path: PathBuf,
        /// What it says.
        source: io::Error,
    },
}

/// A socket that listens.
#[derive(Debug)]
pub struct BoundSocket {
    listener: Option<UnixListener>,
    path: PathBuf,
}

impl BoundSocket {
    /// Listens at `path`, with [`MODE`]. A socket that is there is replaced if nobody listens to it.
    ///
    /// # Errors
    /// See [`SocketError`].
    pub fn bind(path: &Path) -> Result<Self, SocketError> {
        if path.as_os_str().as_bytes().len() > MAX_PATH_BYTES {
            return Err(SocketError::TooLong(path.to_owned()));
        }
        let failed = |source| SocketError::Io { path: path.to_owned(), source };
        if listens(path)? {
            return Err(SocketError::InUse(path.to_owned()));
        }
        // Made beside its place and renamed, so that it never stands there with a mode too wide, and a
        // dead socket is replaced at one stroke.
        let mut beside = path.as_os_str().to_owned();
        beside.push("~");
        let beside = PathBuf::from(beside);
        match fs::remove_file(&beside) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        let listener = UnixListener::bind(&beside).map_err(failed)?;
        fs::set_permissions(&beside, fs::Permissions::from_mode(MODE)).map_err(failed)?;
        fs::rename(&beside, path).map_err(failed)?;
        Ok(Self { listener: Some(listener), path: path.to_owned() })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The listener, once; the path stays as long as `self`.
    pub fn take(&mut self) -> Option<UnixListener> {
        self.listener.take()
    }
}

impl Drop for BoundSocket {
    fn drop(&mut self) {
        // A folder that is gone already took the socket with it.
        let _ = fs::remove_file(&self.path);
    }
}

/// Whether a process listens at `path`; false when nothing is there, or a socket whose process has ended.
///
/// # Errors
/// There is something else, or it cannot be looked at.
pub fn listens(path: &Path) -> Result<bool, SocketError> {
    let failed = |source| SocketError::Io { path: path.to_owned(), source };
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(failed(error)),
        Ok(found) if !found.file_type().is_socket() => return Err(SocketError::NotASocket(path.to_owned())),
        Ok(_) => {}
    }
    match UnixStream::connect(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => Ok(false),
        Err(error) => Err(failed(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_living_socket_is_kept_and_a_dead_one_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let first = BoundSocket::bind(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, MODE);
        assert!(matches!(BoundSocket::bind(&path), Err(SocketError::InUse(_))));
        drop(first);
        assert!(!path.exists());
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists() && !listens(&path).unwrap());
        let second = BoundSocket::bind(&path).unwrap();
        assert!(listens(&path).unwrap());
        drop(second);
        fs::write(&path, "mine").unwrap();
        assert!(matches!(BoundSocket::bind(&path), Err(SocketError::NotASocket(_))));
        let long = folder.path().join("x".repeat(107));
        assert!(matches!(BoundSocket::bind(&long), Err(SocketError::TooLong(_))));
    }
}
