//! Terminating TLS.

use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::aws_lc_rs::Ticketer;
use rustls::pki_types::UnixTime;
use rustls::server::{ClientHello, NoServerSessionStorage, ServerSessionMemoryCache};
use rustls::{CipherSuite, ServerConfig};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::LazyConfigAcceptor;
use weft_tables::tls::{Secret, ServerTls};
use weft_types::Name;

use crate::context;
use crate::error::ContextError;
use crate::handshake::HandshakeError;
use crate::parameters::Parameters;
use crate::peer::PeerFacts;
use crate::resolve::Identities;
use crate::suite;
use crate::verify::{Verifier, VerifyError, with_refusal};

/// A connection that came in by TLS.
pub type ServerStream<S> = tokio_rustls::server::TlsStream<S>;

/// Sessions of TLS 1.2 without tickets that are kept for resumption.
pub const SESSIONS_MAX: usize = 1024;

/// The server side of one filter chain with one state of its secrets.
#[derive(Debug)]
pub struct ServerAcceptor {
    config: Arc<ServerConfig>,
    identities: Arc<Identities>,
    verifier: Arc<Verifier>,
    left_out: Vec<String>,
    name_required: bool,
}

impl ServerAcceptor {
    /// Builds the server side; `lookup` gives the named secrets.
    ///
    /// # Errors
    /// [`ContextError`]; above all that a secret is still to come.
    pub fn new(tls: &ServerTls, lookup: &dyn Fn(&Name) -> Option<Arc<Secret>>) -> Result<Self, ContextError> {
        let ServerTls { common, require_client_certificate, require_sni, disable_tickets } = tls;
        let Parameters { provider, versions, mut left_out } = Parameters::of(common)?;
        let identities = Identities::new(context::identities(common, lookup, &provider)?, *require_sni);
        if identities.is_empty() {
            return Err(ContextError::NoCertificate);
        }
        let verifier = context::verifier(common, lookup, &provider, context::Side::Server)?
            .mandatory(*require_client_certificate);
        if *require_client_certificate && !verifier.verifies() {
            // Envoy asks for none either when it has nothing to check one by.
            left_out.push("require_client_certificate: without a validation context".to_owned());
        }
        let (identities, verifier) = (Arc::new(identities), Arc::new(verifier));
        let library = |e: rustls::Error| ContextError::Library(e.to_string());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&versions)
            .map_err(library)?
            .with_client_cert_verifier(Arc::clone(&verifier) as _)
            .with_cert_resolver(Arc::clone(&identities) as _);
        if *disable_tickets {
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
        } else {
            // Its keys are of this build alone: what the old secrets let in is not resumed.
            config.ticketer = Ticketer::new().map_err(library)?;
            config.session_storage = ServerSessionMemoryCache::new(SESSIONS_MAX);
            // Each connection uses one up, new or resumed, and gets one: as many are about as connections
            // were opened at once.
            config.send_tls13_tickets = 1;
        }
        config.alpn_protocols = common.alpn.iter().map(|p| p.as_bytes().to_vec()).collect();
        Ok(Self { config: Arc::new(config), identities, verifier, left_out, name_required: *require_sni })
    }

    /// Whether a peer that an earlier state of the secrets let in at that time (since 1970) would be let in by
    /// this one: its root is still trusted, and nothing revokes it.
    #[must_use]
    pub fn still_trusts(&self, peer: &PeerFacts, then: Duration) -> bool {
        let chain = peer.certificate.as_ref().map(|certificate| &certificate.chain[..]).unwrap_or_default();
        self.verifier.would_take(chain, UnixTime::since_unix_epoch(then))
    }

    /// What was configured and has no effect, for the debug page.
    #[must_use]
    pub fn left_out(&self) -> &[String] {
        &self.left_out
    }

    /// Shakes hands within `limit`.
    ///
    /// # Errors
    /// [`HandshakeError`], by who is at fault.
    pub async fn accept<S>(
        &self,
        stream: S,
        limit: Duration,
    ) -> Result<(ServerStream<S>, PeerFacts), HandshakeError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let (outcome, refusal) = tokio::time::timeout(limit, with_refusal(self.shake_hands(stream)))
            .await
            .map_err(|_| HandshakeError::Timeout(limit))?;
        outcome.map_err(|failure| failure.into_error(refusal))
    }

    async fn shake_hands<S>(&self, stream: S) -> Result<(ServerStream<S>, PeerFacts), Failure>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let start = LazyConfigAcceptor::new(rustls::server::Acceptor::default(), stream).await?;
        let hello = start.client_hello();
        let identity = self.identities.choose(hello.server_name(), hello.signature_schemes());
        let local = identity.and_then(|identity| identity.leaf.clone());
        let nameless = self.name_required && identity.is_none();
        let config = self.config_for(&hello);
        let stream = start.into_stream(config).await.map_err(|error| match nameless {
            true => Failure::Nameless,
            false => Failure::Io(error),
        })?;
        let (_, connection) = stream.get_ref();
        let facts = PeerFacts::of(connection, &self.verifier, local, connection.server_name());
        if facts.resumed {
            let chain = connection.peer_certificates().unwrap_or_default();
            self.verifier.check_again(chain, None).map_err(Failure::Refused)?;
        }
        Ok((stream, facts))
    }

    /// The configuration as it is for a usual client. Two kinds get one changed after BoringSSL's
    /// habits: a client with which we share no protocol goes on without ALPN, where the library would
    /// refuse it; and for TLS 1.2 our order of suites counts, where for 1.3 the client's does.
    fn config_for(&self, hello: &ClientHello<'_>) -> Arc<ServerConfig> {
        let ours = &self.config.alpn_protocols;
        let shared = hello.alpn().is_none_or(|mut theirs| theirs.any(|p| ours.iter().any(|o| o == p)));
        let is_new = |suite: &CipherSuite| suite::TLS13.iter().any(|s| s.suite() == *suite);
        let old = !hello.cipher_suites().iter().any(is_new);
        if shared && !old {
            return Arc::clone(&self.config);
        }
        let mut config = ServerConfig::clone(&self.config);
        config.ignore_client_order = old;
        if !shared {
            config.alpn_protocols.clear();
        }
        Arc::new(config)
    }
}

enum Failure {
    Nameless,
    Refused(VerifyError),
    Io(std::io::Error),
}

impl Failure {
    fn into_error(self, refusal: Option<VerifyError>) -> HandshakeError {
        match self {
            Self::Nameless => HandshakeError::ServerNameRequired,
            Self::Refused(error) => error.into(),
            Self::Io(error) => HandshakeError::from_io(error, refusal),
        }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}
