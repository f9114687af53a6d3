//! What can be wrong with an authority, and why it does not issue.

use std::time::Duration;

/// Why an authority cannot be made from its files.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {fault}")]
pub struct LoadError {
    /// The file as its reader called it ([`crate::PemFile::name`]).
    pub file: String,
    /// What is wrong with it.
    pub fault: Fault,
}

/// The kinds of [`LoadError`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Longer than [`crate::MAX_FILE_BYTES`].
    #[error("{size} bytes, more than {limit}")]
    TooLong {
        /// Its size, bytes.
        size: usize,
        /// The limit, bytes.
        limit: usize,
    },
    /// More certificates than allowed.
    #[error("{found} certificates, more than {limit}")]
    TooMany {
        /// How many there are.
        found: usize,
        /// The limit.
        limit: usize,
    },
    /// It is not PEM, or what is inside cannot be read.
    #[error("cannot be read: {0}")]
    Malformed(String),
    /// No certificate is in it.
    #[error("holds no certificate")]
    NoCertificate,
    /// No private key is in it.
    #[error("holds no private key")]
    NoKey,
    /// No revocation list is in it.
    #[error("holds no certificate revocation list")]
    NoRevocationList,
    /// The key is of a kind or size that is not taken.
    #[error("{0}; wanted is ECDSA P-256 or P-384, or RSA of 2048 to 8192 bits")]
    Key(String),
    /// The private key is not that of the certificate.
    #[error("is not the key of the certificate in {certificate}")]
    KeyMismatch {
        /// The file with the certificate.
        certificate: String,
    },
    /// The certificate lacks `CA:TRUE`.
    #[error("{subject}: not an authority (basic constraints lack CA:TRUE)")]
    NotAnAuthority {
        /// The certificate's subject.
        subject: String,
    },
    /// The certificate's key usage forbids it to sign certificates.
    #[error("{subject}: key usage lacks keyCertSign")]
    MayNotSign {
        /// The certificate's subject.
        subject: String,
    },
    /// Its time is over.
    #[error("{subject}: expired at {at}")]
    Expired {
        /// The certificate's subject.
        subject: String,
        /// Its `notAfter`.
        at: String,
    },
    /// Its time has not come.
    #[error("{subject}: not valid before {at}")]
    NotYetValid {
        /// The certificate's subject.
        subject: String,
        /// Its `notBefore`.
        at: String,
    },
    /// What it signs is not trusted by any of the roots.
    #[error("what it signs does not lead to a root of {roots}: {reason}")]
    Untrusted {
        /// The file with the roots.
        roots: String,
        /// What the verifier says.
        reason: String,
    },
    /// The cryptographic library failed.
    #[error("signing failed: {0}")]
    Signing(String),
}

/// Why no certificate is issued.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IssueError {
    /// The CSR is longer than [`crate::MAX_CSR_BYTES`].
    #[error("the request has {size} bytes, more than {limit}")]
    TooLong {
        /// Its size, bytes.
        size: usize,
        /// The limit, bytes.
        limit: usize,
    },
    /// It is not a CSR in PEM.
    #[error("the request cannot be read: {0}")]
    Malformed(String),
    /// Its key is of a kind or size that is not taken.
    #[error("{0}; wanted is ECDSA P-256 or P-384, or RSA of 2048 to 8192 bits")]
    Key(String),
    /// It is not signed by the key in it: the caller does not show that it holds the private key.
    #[error("the request is not signed by the key that it holds")]
    Possession,
    /// The caller's identity has no form that a certificate can carry.
    #[error("identity {0:?} cannot stand in a certificate")]
    Identity(String),
    /// A longer life is asked for than [`crate::Policy::max_validity`].
    #[error("requested life of {} s is longer than the allowed {} s", .requested.as_secs(), .allowed.as_secs())]
    Validity {
        /// What is asked for.
        requested: Duration,
        /// The longest that is allowed.
        allowed: Duration,
    },
    /// The authority's own chain is not valid at this time.
    #[error("the authority's own certificates are not valid now")]
    AuthorityNotValid,
    /// The cryptographic library failed.
    #[error("signing failed: {0}")]
    Signing(String),
}

/// Why a root is not renewed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RenewError {
    /// The authority is not its own root: whoever made the root renews it.
    #[error("the authority did not sign itself: its root is renewed by who made it")]
    NotOurs,
    /// The cryptographic library failed.
    #[error("signing failed: {0}")]
    Signing(String),
}
