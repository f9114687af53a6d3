//! What is known of a connection once its handshake is done.

use std::sync::Arc;

use rustls::pki_types::UnixTime;
use rustls::{CommonState, HandshakeKind};
use weft_types::SpiffeId;

use crate::certificate::Certificate;
use crate::suite;
use crate::verify::Verifier;

/// Facts about a TLS connection. One per connection; requests on it share them.
#[derive(Clone, Debug, Default)]
pub struct PeerFacts {
    /// The peer's certificate; `None` when it presented none that can be read.
    pub certificate: Option<Arc<Certificate>>,
    /// The certificate was checked and passed. False when nothing is configured to check it by.
    pub validated: bool,
    /// Our own certificate on this connection.
    pub local: Option<Arc<Certificate>>,
    /// `TLSv1.2` or `TLSv1.3`.
    pub version: &'static str,
    /// OpenSSL's name of the suite.
    pub cipher: &'static str,
    /// Protocol that both agreed on.
    pub alpn: Option<Box<str>>,
    /// Server name that the client sent.
    pub sni: Option<Box<str>>,
    /// An earlier session was resumed: nobody presented anything anew.
    pub resumed: bool,
}

impl PeerFacts {
    pub(crate) fn of(
        connection: &CommonState,
        verifier: &Verifier,
        local: Option<Arc<Certificate>>,
        sni: Option<&str>,
    ) -> Self {
        let chain = connection.peer_certificates().unwrap_or_default();
        Self {
            certificate: chain.split_first().and_then(|(leaf, others)| verifier.facts(leaf, others)),
            validated: verifier.validated(chain, UnixTime::now()),
            local,
            version: connection.protocol_version().map_or("", suite::version),
            cipher: connection.negotiated_cipher_suite().map_or("", |s| suite::name(s.suite())),
            alpn: connection.alpn_protocol().and_then(|p| std::str::from_utf8(p).ok()).map(Into::into),
            sni: sni.map(Into::into),
            resumed: connection.handshake_kind() == Some(HandshakeKind::Resumed),
        }
    }

    /// Whether the peer presented a certificate.
    #[must_use]
    pub fn presented(&self) -> bool {
        self.certificate.is_some()
    }

    /// The peer's mesh identity, only if its certificate was validated.
    #[must_use]
    pub fn identity(&self) -> Option<SpiffeId> {
        self.certificate.as_ref().filter(|_| self.validated)?.identity()
    }
}
