//! Originating TLS.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls::pki_types::{ServerName, UnixTime};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use weft_tables::tls::{ClientTls, Secret};
use weft_types::Name;

use crate::context;
use crate::error::ContextError;
use crate::handshake::HandshakeError;
use crate::names::has_name;
use crate::parameters::Parameters;
use crate::peer::PeerFacts;
use crate::resolve::Identities;
use crate::sessions::Sessions;
use crate::verify::{Names, Verifier, VerifyError, with_refusal};

/// A connection that goes out by TLS.
pub type ClientStream<S> = tokio_rustls::client::TlsStream<S>;

/// What one connection wants other than its cluster does. The default wants nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct ConnectOptions<'o> {
    /// Server name instead of any configured one (from the request's authority: `auto_sni`).
    pub sni: Option<&'o str>,
    /// Host name of the endpoint, for `auto_host_sni`; empty: it has none.
    pub host: &'o str,
    /// Protocols instead of the configured ones.
    pub alpn: Option<&'o [Box<str>]>,
    /// Protocols when none are configured: those of the HTTP version in use.
    pub alpn_fallback: &'o [&'o str],
    /// Names of which the certificate must have one, instead of the configured matchers
    /// (`auto_san_validation`); empty: the matchers.
    pub names: &'o [&'o str],
    /// Where the connection goes: tells sessions apart when no server name is sent.
    pub address: Option<IpAddr>,
}

/// The client side of one cluster transport with one state of its secrets.
#[derive(Debug)]
pub struct ClientConnector {
    config: Arc<ClientConfig>,
    /// For connections with names of their own. Its sessions are apart, and the names are checked
    /// after each handshake, so that a resumed session cannot bring a name that was not checked.
    names_apart: Arc<ClientConfig>,
    verifier: Arc<Verifier>,
    /// The same without names.
    unnamed: Arc<Verifier>,
    identities: Arc<Identities>,
    accept_untrusted: bool,
    sni: Option<ServerName<'static>>,
    auto_host_sni: bool,
    left_out: Vec<String>,
}

impl ClientConnector {
    /// Builds the client side; `lookup` gives the named secrets.
    ///
    /// # Errors
    /// [`ContextError`]; above all that a secret is still to come.
    pub fn new(tls: &ClientTls, lookup: &dyn Fn(&Name) -> Option<Arc<Secret>>) -> Result<Self, ContextError> {
        let ClientTls {
            common,
            sni,
            auto_host_sni,
            auto_sni_san_validation,
            max_session_keys,
            allow_renegotiation,
        } = tls;
        let Parameters { provider, versions, mut left_out } = Parameters::of(common)?;
        let identities = Arc::new(Identities::new(context::identities(common, lookup, &provider)?, false));
        let mut verifier = context::verifier(common, lookup, &provider, context::Side::Client)?;
        if *auto_sni_san_validation {
            verifier = verifier.with_names(Names::ServerName);
        }
        if *allow_renegotiation {
            left_out.push("allow_renegotiation".to_owned());
        }
        let sni = match &**sni {
            "" => None,
            name => Some(server_name(name).ok_or_else(|| ContextError::ServerName(name.to_owned()))?),
        };
        let unnamed = Arc::new(verifier.with_names(Names::Unchecked));
        let verifier = Arc::new(verifier);
        let build = |verifier: &Arc<Verifier>| {
            let mut config = ClientConfig::builder_with_provider(Arc::clone(&provider))
                .with_protocol_versions(&versions)
                .map_err(|e| ContextError::Library(e.to_string()))?
                .dangerous()
                .with_custom_certificate_verifier(Arc::clone(verifier) as _)
                .with_client_cert_resolver(Arc::clone(&identities) as _);
            config.alpn_protocols = common.alpn.iter().map(|p| p.as_bytes().to_vec()).collect();
            config.resumption = match *max_session_keys {
                0 => Resumption::disabled(),
                keys => Resumption::store(Arc::new(Sessions::new(keys))),
            };
            Ok::<_, ContextError>(Arc::new(config))
        };
        Ok(Self {
            config: build(&verifier)?,
            names_apart: build(&unnamed)?,
            accept_untrusted: verifier.accepts_untrusted(),
            verifier,
            unnamed,
            identities,
            sni,
            auto_host_sni: *auto_host_sni,
            left_out,
        })
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
    pub async fn connect<S>(
        &self,
        stream: S,
        options: ConnectOptions<'_>,
        limit: Duration,
    ) -> Result<(ClientStream<S>, PeerFacts), HandshakeError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        tokio::time::timeout(limit, self.connect_unlimited(stream, options))
            .await
            .map_err(|_| HandshakeError::Timeout(limit))?
    }

    /// As [`Self::connect`], for callers that have a limit of their own.
    ///
    /// # Errors
    /// [`HandshakeError`] other than a timeout.
    pub async fn connect_unlimited<S>(
        &self,
        stream: S,
        options: ConnectOptions<'_>,
    ) -> Result<(ClientStream<S>, PeerFacts), HandshakeError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let name = self.name_to_send(&options)?;
        let sent = match &name {
            ServerName::DnsName(name) => Some(name.as_ref().to_owned()),
            _ => None,
        };
        let target = name.clone();
        let config = if options.names.is_empty() { &self.config } else { &self.names_apart };
        let connector = TlsConnector::from(Arc::clone(config));
        let handshake = match self.protocols(&options) {
            Some(protocols) => connector.with_alpn(protocols).connect(name, stream),
            None => connector.connect(name, stream),
        };
        let (outcome, refusal) = with_refusal(handshake).await;
        let stream = outcome.map_err(|error| HandshakeError::from_io(error, refusal))?;
        let (_, connection) = stream.get_ref();
        let local = self.identities.first().and_then(|identity| identity.leaf.clone());
        let mut facts = PeerFacts::of(connection, &self.verifier, local, sent.as_deref());
        if facts.resumed {
            let verifier = if options.names.is_empty() { &self.verifier } else { &self.unnamed };
            verifier.check_again(connection.peer_certificates().unwrap_or_default(), Some(&target))?;
        }
        if !options.names.is_empty() {
            let has =
                facts.certificate.as_ref().is_some_and(|c| options.names.iter().any(|n| has_name(c, n)));
            if !has && !self.accept_untrusted {
                let names = facts.certificate.map(|c| c.sans.clone()).unwrap_or_default();
                let expected = options.names.iter().map(|&name| name.to_owned()).collect();
                return Err(VerifyError::Names { expected, found: names }.into());
            }
            facts.validated &= has;
        }
        Ok((stream, facts))
    }

    fn name_to_send(&self, options: &ConnectOptions<'_>) -> Result<ServerName<'static>, HandshakeError> {
        let given = options.sni.or((self.auto_host_sni && !options.host.is_empty()).then_some(options.host));
        if let Some(name) = given.filter(|name| !name.is_empty()) {
            return server_name(name).ok_or_else(|| HandshakeError::ServerName(name.to_owned()));
        }
        // The library sends no server name for an address.
        let address = options.address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        Ok(self.sni.clone().unwrap_or_else(|| ServerName::IpAddress(address.into())))
    }

    fn protocols(&self, options: &ConnectOptions<'_>) -> Option<Vec<Vec<u8>>> {
        if let Some(protocols) = options.alpn {
            return Some(protocols.iter().map(|p| p.as_bytes().to_vec()).collect());
        }
        if self.config.alpn_protocols.is_empty() && !options.alpn_fallback.is_empty() {
            return Some(options.alpn_fallback.iter().map(|p| p.as_bytes().to_vec()).collect());
        }
        None
    }
}

fn server_name(name: &str) -> Option<ServerName<'static>> {
    ServerName::try_from(name.to_owned()).ok()
}
