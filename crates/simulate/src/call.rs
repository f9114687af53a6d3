//! What is asked.

use std::net::SocketAddr;

use weft_types::RequestHead;

/// A request on a connection to a listener.
#[derive(Clone, Debug)]
pub struct Call {
    /// Name of the listener.
    pub listener: String,
    /// Where the connection goes, after undoing redirection.
    pub destination: Option<SocketAddr>,
    /// Where it comes from.
    pub source: Option<SocketAddr>,
    /// Server name of the ClientHello; `None`: plaintext.
    pub server_name: Option<String>,
    /// ALPN of the ClientHello, or the plaintext protocol that detection would find.
    pub protocols: Vec<String>,
    /// Verified URI names of the client's certificate.
    pub peer_uris: Vec<String>,
    /// The request; `None`: opaque bytes.
    pub head: Option<RequestHead>,
    /// Whether the request has a body.
    pub has_body: bool,
}

impl Call {
    /// A plaintext HTTP/1.1 request to a listener.
    #[must_use]
    pub fn http(listener: &str, head: RequestHead) -> Self {
        Self {
            listener: listener.to_owned(),
            destination: None,
            source: None,
            server_name: None,
            protocols: vec!["http/1.1".to_owned()],
            peer_uris: Vec::new(),
            head: Some(head),
            has_body: false,
        }
    }
}
