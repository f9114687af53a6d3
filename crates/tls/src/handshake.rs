//! Why a handshake failed, by who is at fault.

use std::io;
use std::time::Duration;

use rustls::AlertDescription;

use crate::reason;
use crate::verify::VerifyError;

/// Why there is no TLS connection.
#[derive(Debug, thiserror::Error)]
pub enum HandshakeError {
    /// It took longer than the caller allows.
    #[error("TLS handshake: not done within {0:?}")]
    Timeout(Duration),
    /// We refuse the peer's certificate.
    #[error("TLS handshake: {0}")]
    Refused(#[from] VerifyError),
    /// The peer refuses us, or gave up.
    #[error("TLS handshake: peer sent alert {0:?}")]
    Alert(AlertDescription),
    /// The peer's bytes are not the TLS that was expected; also when it has no certificate or shares
    /// no suite or version with us.
    #[error("TLS handshake: {0}")]
    Protocol(rustls::Error),
    /// The peer closed the connection.
    #[error("TLS handshake: connection closed by peer")]
    Closed,
    /// The connection broke.
    #[error("TLS handshake: {0}")]
    Io(io::Error),
    /// The client named no server, or one that no certificate is for, and must.
    #[error("TLS handshake: server name required")]
    ServerNameRequired,
    /// The server name to send is none.
    #[error("TLS handshake: {0:?} is no server name")]
    ServerName(String),
}

impl HandshakeError {
    /// From what the library's streams report, during the handshake or after it. TLS 1.3 clients
    /// learn only after their handshake that the server refuses their certificate: reading then
    /// fails with an alert.
    #[must_use]
    pub fn from_io(error: io::Error, refusal: Option<VerifyError>) -> Self {
        if let Some(refusal) = refusal {
            return Self::Refused(refusal);
        }
        match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            Some(rustls::Error::AlertReceived(alert)) => Self::Alert(*alert),
            Some(tls) => Self::Protocol(tls.clone()),
            None if error.kind() == io::ErrorKind::UnexpectedEof => Self::Closed,
            None => Self::Io(error),
        }
    }

    /// Envoy's words for the access log's transport failure reason, blanks as underscores; empty where
    /// Envoy has none (timeouts, orderly closes).
    #[must_use]
    pub fn reason(&self) -> String {
        match self {
            Self::Timeout(_) | Self::Closed => String::new(),
            Self::Refused(error) => reason::refused(&error.to_string()),
            Self::Alert(alert) => reason::alert(*alert),
            Self::Protocol(error) => reason::protocol(error),
            Self::Io(error) => {
                let text = error.to_string();
                let plain = text.split(" (os error").next().unwrap_or_default();
                error
                    .raw_os_error()
                    .map_or_else(|| text.replace(' ', "_"), |code| reason::system(code, plain))
            }
            Self::ServerNameRequired => reason::ssl(1112, "TLSV1_ALERT_UNRECOGNIZED_NAME", None),
            Self::ServerName(name) => format!("invalid_server_name:_{name}"),
        }
    }

    /// Whether the time ran out.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        matches!(self, Self::Timeout(_))
    }
}
