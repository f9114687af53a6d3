//! What is asked.

use std::net::SocketAddr;

use weft_types::{RequestHead, ResponseHead};

/// A request on a connection to a listener.
#[derive(Clone, Debug)]
pub struct Call {
    /// Name of the listener.
    pub listener: String,
    /// Where the connection goes, after undoing redirection; `None`: to the listener's first address.
    pub destination: Option<SocketAddr>,
    /// Where it comes from.
    pub source: Option<SocketAddr>,
    /// The connection is TLS.
    pub tls: bool,
    /// Server name of the ClientHello; `None`: it has none, or the connection is plaintext.
    pub server_name: Option<String>,
    /// ALPN of the ClientHello, or the plaintext protocol that detection would find.
    pub protocols: Vec<String>,
    /// Verified URI names of the client's certificate; empty: it presents none.
    pub peer_uris: Vec<String>,
    /// The request; `None`: opaque bytes.
    pub head: Option<RequestHead>,
    /// Whether the request has a body.
    pub has_body: bool,
    /// What the upstream answers.
    pub answer: ResponseHead,
}

impl Call {
    /// A plaintext HTTP/1.1 request to a listener from 127.0.0.1; the upstream answers 200.
    #[must_use]
    pub fn http(listener: &str, head: RequestHead) -> Self {
        Self { protocols: vec!["http/1.1".to_owned()], head: Some(head), ..Self::tcp(listener) }
    }

    /// The same over TLS with this server name.
    #[must_use]
    pub fn https(listener: &str, server_name: &str, head: RequestHead) -> Self {
        Self { tls: true, server_name: Some(server_name.to_owned()), ..Self::http(listener, head) }
    }

    /// A plaintext connection of opaque bytes.
    #[must_use]
    pub fn tcp(listener: &str) -> Self {
        Self {
            listener: listener.to_owned(),
            destination: None,
            source: Some(SocketAddr::from(([127, 0, 0, 1], 50_000))),
            tls: false,
            server_name: None,
            protocols: Vec::new(),
            peer_uris: Vec::new(),
            head: None,
            has_body: false,
            answer: ResponseHead::new(200),
        }
    }
}
