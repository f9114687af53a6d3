//! Why configuration does not become a context.

use weft_types::Name;

/// Why a TLS context cannot be built. Every variant names what to look at.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ContextError {
    /// A named secret is not there yet: the context waits for it.
    #[error("secret {0:?} has not arrived yet")]
    Pending(Name),
    /// A secret is of the other kind.
    #[error("secret {secret}: expected {expected}")]
    WrongKind {
        /// Its name, or `inline`.
        secret: String,
        /// What was needed.
        expected: &'static str,
    },
    /// PEM that cannot be read, or without the expected objects.
    #[error("secret {secret}: {field}: {reason}")]
    Pem {
        /// Its name, or `inline`.
        secret: String,
        /// Which part.
        field: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// Key and certificate do not belong together, or the key is of no use.
    #[error("secret {secret}: private key: {reason}")]
    Key {
        /// Its name, or `inline`.
        secret: String,
        /// What is wrong.
        reason: String,
    },
    /// A server without a certificate.
    #[error("a server needs at least one certificate")]
    NoCertificate,
    /// A cipher suite that nobody knows.
    #[error("cipher_suites: {0:?} is no cipher suite")]
    UnknownCipher(String),
    /// None of the suites can be used.
    #[error("cipher_suites: none of {0:?} is supported")]
    NoUsableCipher(Vec<Box<str>>),
    /// A curve that is not supported.
    #[error("ecdh_curves: {0:?} is not supported")]
    UnknownCurve(String),
    /// The lowest version is above the highest.
    #[error("tls_minimum_protocol_version is above tls_maximum_protocol_version")]
    Versions,
    /// Subject names would be checked on certificates that nobody vouches for.
    #[error("match_typed_subject_alt_names needs trusted_ca")]
    NamesWithoutRoots,
    /// Revocation would be checked without roots.
    #[error("crl needs trusted_ca")]
    RevocationWithoutRoots,
    /// The server name is not one that can be sent.
    #[error("sni: {0:?} is no DNS name")]
    ServerName(String),
    /// The TLS library refuses.
    #[error("TLS library: {0}")]
    Library(String),
}

impl ContextError {
    /// Whether waiting may help: a secret is still to come.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        matches!(self, Self::Pending(_))
    }
}
