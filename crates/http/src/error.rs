//! How connections and streams fail.

use std::io;
use std::rc::Rc;

use weft_codec::{CodecError, ResetReason};

/// Why a connection ended, or took no stream.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ConnError {
    /// The peer broke the protocol or a limit; or a command could not be expressed.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// A request was refused by its head, and its stream reset; the connection goes on. Only
    /// [`crate::ServerConn::accept`] says so.
    #[error("{word}: a request was refused")]
    Refused {
        /// Envoy's detail word.
        word: &'static str,
        /// Whether the head broke the protocol, rather than one of our limits.
        malformed: bool,
    },
    /// The socket failed.
    #[error("{during} failed: {text}")]
    Io {
        /// `read`, `write` or `shutdown`.
        during: &'static str,
        /// The kind, for decisions.
        kind: io::ErrorKind,
        /// The operating system's or the TLS library's words.
        text: Rc<str>,
    },
    /// The connection is closed.
    #[error("the connection is closed")]
    Closed,
    /// All its streams are taken, or it drains: nothing was sent, another connection may serve.
    #[error("the connection takes no new stream now")]
    NotOpen,
    /// More input waits than `ConnOptions::input_limit` and the codec makes no message of it.
    #[error("more than {0} bytes of input make no message")]
    InputLimit(usize),
}

impl ConnError {
    pub(crate) fn io(during: &'static str, error: &io::Error) -> Self {
        Self::Io { during, kind: error.kind(), text: error.to_string().into() }
    }
}

/// Why a stream ended before its time, with what a retry decision needs.
#[derive(Clone, Debug, thiserror::Error)]
#[error("stream reset ({reason:?}){}", connection.as_ref().map(|c| format!(": {c}")).unwrap_or_default())]
pub struct StreamError {
    /// Why.
    pub reason: ResetReason,
    /// Whether a response's head, interim or final, has arrived (client side).
    pub response_started: bool,
    /// Whether the peer may have acted on the request: false if nothing of it was written to the
    /// socket or if the peer said that it did not process it. Then it is safe to send again.
    pub possibly_processed: bool,
    /// What ended the connection, if that is the cause.
    pub connection: Option<ConnError>,
}

/// How a stream's receiving half ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndReason {
    /// The message is complete.
    Complete,
    /// It was cut off.
    Reset(ResetReason),
}
