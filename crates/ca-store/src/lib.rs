//! Where an authority is kept: a folder on disk in Istio's `cacerts` layout, ours or the user's.
//!
//! The room before is the program with its paths and clock; the room after is [`weft_ca::Authority`].
//!
//! ```text
//!  open ── the user's folder given? ── yes ──► it must serve (ca-cert.pem … or tls.crt …)
//!                 │ no
//!                 ▼
//!          our folder: absent or empty ──► a new root: written aside, then one rename
//!                      anything in it  ──► it must serve
//! ```
//!
//! # Invariants
//! - A new root is made only where nothing is. Whatever is half-written, broken, foreign or readable by
//!   others is an error that names the file; a mesh never changes its root by accident.
//! - What we write is whole or absent after a crash: a folder appears by one rename, a file is replaced by
//!   one rename, and each state between two of them loads.
//! - Keys are in files of mode 0600, in a folder of mode 0700.
#![forbid(unsafe_code)]

pub mod error;
mod read;
mod write;

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use weft_ca::Authority;
use weft_ca::authority::ROOT_VALIDITY;

pub use error::StoreError;
pub use read::load;

/// The authority's certificate.
pub const CA_CERT: &str = "ca-cert.pem";
/// Its key.
pub const CA_KEY: &str = "ca-key.pem";
/// The certificates from the authority's own upward.
pub const CERT_CHAIN: &str = "cert-chain.pem";
/// The roots that workloads trust.
pub const ROOT_CERT: &str = "root-cert.pem";
/// Revocation lists.
pub const CA_CRL: &str = "ca-crl.pem";

/// Where an authority came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The user's folder.
    Given,
    /// Our folder, from an earlier run.
    Kept,
    /// It was made just now.
    Made,
}

/// What to open.
#[derive(Clone, Debug)]
pub struct Options {
    /// The user's own authority; it wins over ours, and must serve if it is named.
    pub cacerts: Option<PathBuf>,
    /// Our folder. It holds nothing else, and is not itself a mount point: it appears by a rename.
    pub own: PathBuf,
    /// Trust domain of a root that is made.
    pub trust_domain: String,
    /// Life of a root that is made; default 10 years.
    pub root_validity: Duration,
}

impl Options {
    /// A folder of ours for a trust domain, nothing of the user's.
    #[must_use]
    pub fn new(own: impl Into<PathBuf>, trust_domain: impl Into<String>) -> Self {
        Self {
            cacerts: None,
            own: own.into(),
            trust_domain: trust_domain.into(),
            root_validity: ROOT_VALIDITY,
        }
    }
}

/// Opens the user's authority, or ours; makes ours if there is none yet.
///
/// # Errors
/// Names the file and what is wrong with it.
pub fn open(options: &Options, now: SystemTime) -> Result<(Authority, Origin), StoreError> {
    if let Some(given) = &options.cacerts {
        return Ok((load(given, now)?, Origin::Given));
    }
    let own = options.own.as_path();
    if read::is_vacant(own)? {
        let made = Authority::self_signed(&options.trust_domain, now, options.root_validity)
            .map_err(|error| StoreError::Make { folder: own.to_owned(), reason: error.to_string() })?;
        // Another process may have been faster: then its root is the mesh's.
        if write::create(own, &made)? {
            return Ok((made, Origin::Made));
        }
    }
    read::check_private(&own.join(CA_KEY))?;
    Ok((load(own, now)?, Origin::Kept))
}

/// Writes what [`Authority::renewed`] made over what it was made from.
///
/// # Errors
/// A file cannot be written, or the folder holds another key.
pub fn replace_root(own: &Path, renewed: &Authority) -> Result<(), StoreError> {
    write::replace(own, renewed)
}
