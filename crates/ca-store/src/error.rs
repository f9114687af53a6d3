//! What can go wrong with an authority's folder.

use std::io;
use std::path::PathBuf;

use weft_ca::LoadError;

/// Why an authority is not read or kept.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A file or folder cannot be read.
    #[error("{}: cannot be read: {source}", .path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file or folder cannot be written.
    #[error("{}: cannot be written: {source}", .path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file that belongs to an authority is not there.
    #[error(
        "{}: missing; the folder is not empty, so no new root is made. Restore the file, or empty the \
         folder if the mesh may start with a new root", .0.display()
    )]
    Missing(PathBuf),
    /// The user's folder holds no authority.
    #[error("{}: holds neither ca-cert.pem and ca-key.pem nor tls.crt and tls.key", .0.display())]
    NoAuthority(PathBuf),
    /// A key of ours can be read by others.
    #[error("{}: mode {mode:o} lets others read the key; wanted is 600", .path.display())]
    Exposed {
        /// The key's file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A file is broken, or the files do not belong together; the error names the file.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// A new root could not be made.
    #[error("{}: no new root: {reason}", .folder.display())]
    Make {
        /// Where it was to be kept.
        folder: PathBuf,
        /// What the authority says.
        reason: String,
    },
    /// The folder's key is not that of the authority to be written.
    #[error("{}: holds another key than the renewed authority", .0.display())]
    OtherKey(PathBuf),
}
