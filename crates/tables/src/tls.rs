//! Transport security, as data. `weft-tls` turns it into rustls configurations.

use std::sync::Arc;

use weft_match::StringMatcher;
use weft_types::Name;

/// The suites of TLS 1.2 that can be spoken, by OpenSSL's names, in Envoy's default order.
pub const SUITES: [&str; 6] = [
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-RSA-CHACHA20-POLY1305",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
];

/// Suites that Envoy takes and that are never offered: no forward secrecy, or CBC. Istio's own default
/// list names two of them.
pub const SUITES_NOT_OFFERED: [&str; 15] = [
    "AES128-GCM-SHA256",
    "AES256-GCM-SHA384",
    "AES128-SHA",
    "AES256-SHA",
    "AES128-SHA256",
    "AES256-SHA256",
    "DES-CBC3-SHA",
    "ECDHE-ECDSA-AES128-SHA",
    "ECDHE-ECDSA-AES256-SHA",
    "ECDHE-ECDSA-AES128-SHA256",
    "ECDHE-RSA-AES128-SHA",
    "ECDHE-RSA-AES256-SHA",
    "ECDHE-RSA-AES128-SHA256",
    "ECDHE-RSA-AES256-SHA384",
    "ECDHE-ECDSA-AES256-SHA384",
];

/// Where certificate material comes from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SecretSource {
    /// In the configuration itself.
    Inline(Arc<Secret>),
    /// By name from SDS or `static_resources.secrets`.
    Named(Name),
}

/// A secret (`envoy.extensions.transport_sockets.tls.v3.Secret`). Bytes are PEM.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Secret {
    /// Certificate chain (leaf first) and private key.
    Certificate {
        /// PEM of the chain.
        chain: Vec<u8>,
        /// PEM of the key.
        key: Vec<u8>,
    },
    /// Roots and checks.
    Validation(Validation),
}

impl std::fmt::Debug for Secret {
    /// Keys are never printed.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Certificate { chain, .. } => f
                .debug_struct("Certificate")
                .field("chain_bytes", &chain.len())
                .field("key", &"hidden")
                .finish(),
            Self::Validation(v) => f.debug_tuple("Validation").field(v).finish(),
        }
    }
}

/// How a peer's certificate is checked (`CertificateValidationContext`).
#[derive(Clone, Debug, Default)]
pub struct Validation {
    /// PEM of trusted roots; `None`: the peer's chain is not verified.
    pub roots: Option<Vec<u8>>,
    /// The certificate must carry a subject alternative name that one of these accepts; empty: any.
    pub san_matchers: Vec<SanMatcher>,
    /// SHA-256 of the leaf's DER (`verify_certificate_hash`).
    pub certificate_hashes: Vec<[u8; 32]>,
    /// SHA-256 of the public key info (`verify_certificate_spki`).
    pub spki_hashes: Vec<[u8; 32]>,
    /// PEM of revocation lists.
    pub crl: Option<Vec<u8>>,
    /// Expired certificates pass (`allow_expired_certificate`).
    pub allow_expired: bool,
    /// Chains that do not verify pass, marked as not validated (`ACCEPT_UNTRUSTED`).
    pub accept_untrusted: bool,
}

impl PartialEq for Validation {
    fn eq(&self, other: &Self) -> bool {
        format!("{self:?}") == format!("{other:?}")
    }
}
impl Eq for Validation {}
impl std::hash::Hash for Validation {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        format!("{self:?}").hash(state);
    }
}

/// One accepted subject alternative name.
#[derive(Clone, Debug)]
pub struct SanMatcher {
    /// Kind of name.
    pub kind: SanKind,
    /// Test on it; DNS names allow a wildcard in the certificate.
    pub matcher: StringMatcher,
}

/// Kind of a subject alternative name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SanKind {
    /// Any kind (the older `match_subject_alt_names`).
    Any,
    /// DNS name.
    Dns,
    /// URI, as SPIFFE identities are.
    Uri,
    /// E-mail.
    Email,
    /// IP address.
    Ip,
}

/// TLS versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TlsVersion {
    /// TLS 1.2 (older ones are refused when configured as the maximum, raised when as the minimum).
    V1_2,
    /// TLS 1.3.
    V1_3,
}

/// What both sides share (`CommonTlsContext`).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TlsCommon {
    /// Lowest version (default 1.2).
    pub min_version: TlsVersion,
    /// Highest version (default 1.3 for servers; for clients 1.2, or the lowest if that is higher).
    pub max_version: TlsVersion,
    /// TLS 1.2 cipher suites by OpenSSL name; empty: the default set.
    pub cipher_suites: Vec<Box<str>>,
    /// Curves by name; empty: the default set.
    pub curves: Vec<Box<str>>,
    /// ALPN to offer or to choose from, most wanted first.
    pub alpn: Vec<Box<str>>,
    /// Own certificates.
    pub certificates: Vec<SecretSource>,
    /// Check of the peer; a combined context is one inline default plus one named source.
    pub validation: ValidationSource,
}

/// `validation_context_type`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ValidationSource {
    /// The peer is not checked.
    None,
    /// Inline or named alone.
    One(SecretSource),
    /// Roots from the named secret, further checks from the default.
    Combined {
        /// Checks.
        default: Arc<Validation>,
        /// Roots.
        dynamic: SecretSource,
    },
}

/// Terminating TLS (`DownstreamTlsContext`).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ServerTls {
    /// Shared part.
    pub common: TlsCommon,
    /// A client certificate must be presented (`require_client_certificate`).
    pub require_client_certificate: bool,
    /// The server name must match a certificate (`require_sni`).
    pub require_sni: bool,
    /// Stateless resumption is off (`disable_stateless_session_resumption`).
    pub disable_tickets: bool,
}

/// Originating TLS (`UpstreamTlsContext`).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ClientTls {
    /// Shared part.
    pub common: TlsCommon,
    /// Server name to send; empty: none (or the host's name with `auto_host_sni`).
    pub sni: Box<str>,
    /// Take the server name from the endpoint's host name (`auto_host_sni`).
    pub auto_host_sni: bool,
    /// Check the certificate against the server name sent (`auto_sni_san_validation`).
    pub auto_sni_san_validation: bool,
    /// Sessions kept for resumption (default 1; `max_session_keys`).
    pub max_session_keys: u32,
    /// Whether `allow_renegotiation` was asked for; never done.
    pub allow_renegotiation: bool,
}
