//! What the two ends of a stream tell one another in heads.

use std::fmt::Write as _;
use std::net::SocketAddr;

use weft_filter::workload::Workload;
use weft_types::{Headers, Method, Random, RequestHead, Version};

/// What is spoken in the tunnel, by names of ALPN (RFC 7639).
const ALPN: &str = "alpn";
/// For whom the stream is made (RFC 7239).
const FORWARDED: &str = "forwarded";
/// What TCP clients of the mesh offer by ALPN: opaque bytes.
pub(super) const OPAQUE: &str = "istio";

/// Why a stream is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    /// Another method.
    #[error("{0} is not CONNECT: this port takes HBONE alone")]
    Method(Box<str>),
    /// Extended CONNECT.
    #[error(":protocol {0:?}: only plain CONNECT is taken")]
    Protocol(Box<str>),
    /// The authority is no address.
    #[error(":authority {0:?} is not IP:PORT")]
    Authority(Box<str>),
    /// The address is not ours.
    #[error("the destination {destination} is not at {local}, where the connection came in")]
    Elsewhere {
        /// Where the client wants to go.
        destination: SocketAddr,
        /// Where its connection came in.
        local: SocketAddr,
    },
    /// Nobody serves it.
    #[error("nothing serves {0} here")]
    Nowhere(SocketAddr),
    /// The chain checks clients in another way than HBONE's port does.
    #[error("{0}: its chain {1:?} verifies clients by other rules than HBONE's port")]
    OtherTrust(SocketAddr, Box<str>),
}

impl Refusal {
    /// The status of the answer.
    pub(super) fn status(&self) -> u16 {
        match self {
            Self::Method(_) => 405,
            Self::Protocol(_) | Self::Authority(_) | Self::Elsewhere { .. } => 400,
            Self::Nowhere(_) => 404,
            Self::OtherTrust(..) => 403,
        }
    }
}

/// The head that opens a stream to `destination` for a connection from `source`.
pub(super) fn request(
    destination: SocketAddr,
    source: Option<SocketAddr>,
    baggage: &str,
    dice: &mut impl Random,
) -> RequestHead {
    let mut headers = Headers::with_capacity(4, 256);
    headers.append(ALPN, OPAQUE);
    if !baggage.is_empty() {
        headers.append("baggage", baggage);
    }
    let mut text = String::with_capacity(64);
    if let Some(source) = source {
        // Writing to a text does not fail.
        let _ = write!(text, "for={source}");
        headers.append(FORWARDED, &text);
        text.clear();
    }
    let (high, low, span) = (dice.next_u64(), dice.next_u64(), dice.next_u64());
    let _ = write!(text, "00-{high:016x}{low:016x}-{span:016x}-00");
    headers.append("traceparent", &text);
    text.clear();
    let _ = write!(text, "{destination}");
    RequestHead {
        method: Method::Connect,
        scheme: Box::default(),
        authority: text.into(),
        path: Box::default(),
        protocol: None,
        version: Version::Http2,
        headers,
    }
}

/// Who we are, as OpenTelemetry names it; empty where the node tells nothing.
pub(super) fn baggage(node: &Workload) -> Box<str> {
    let pairs = [
        ("k8s.cluster.name", &node.cluster),
        ("k8s.namespace.name", &node.namespace),
        ("k8s.deployment.name", &node.workload),
        ("k8s.pod.name", &node.name),
        ("service.name", &node.canonical_name),
        ("service.version", &node.canonical_revision),
    ];
    if node.name.is_empty() && node.workload.is_empty() {
        return Box::default();
    }
    let plain = |text: &str| {
        let unfit = |c: char| !c.is_ascii_graphic() || matches!(c, ',' | ';' | '\\' | '"' | '%');
        !text.is_empty() && !text.contains(unfit)
    };
    let told = pairs.iter().filter(|(_, value)| plain(value)).map(|(key, value)| format!("{key}={value}"));
    told.collect::<Vec<_>>().join(",").into()
}

/// Where a stream goes, if it may: to the address at which its connection came in.
pub(super) fn destination(head: &RequestHead, local: SocketAddr) -> Result<SocketAddr, Refusal> {
    if head.method != Method::Connect {
        return Err(Refusal::Method(head.method.as_str().into()));
    }
    if let Some(protocol) = &head.protocol {
        return Err(Refusal::Protocol(protocol.clone()));
    }
    let destination: SocketAddr =
        head.authority.parse().map_err(|_| Refusal::Authority(head.authority.clone()))?;
    if destination.ip() != local.ip() {
        return Err(Refusal::Elsewhere { destination, local });
    }
    if destination.port() == 0 || destination.port() == local.port() {
        return Err(Refusal::Nowhere(destination));
    }
    Ok(destination)
}

/// Whose connection the stream is. A peer is believed as to the port alone: the address must be its own.
pub(super) fn source(head: &RequestHead, peer: Option<SocketAddr>) -> Option<SocketAddr> {
    let told = head.headers.get_str(FORWARDED).and_then(|value| {
        let pairs = value.split(',').next()?.split(';');
        let text = pairs.filter_map(|pair| pair.trim().strip_prefix("for=")).next()?;
        text.trim_matches('"').parse::<SocketAddr>().ok()
    });
    told.filter(|told| peer.is_none_or(|peer| peer.ip() == told.ip())).or(peer)
}

/// What is spoken in the tunnel, if the peer says.
pub(super) fn protocols(head: &RequestHead) -> Option<Vec<Box<str>>> {
    let names: Vec<Box<str>> =
        head.headers.get_str(ALPN)?.split(',').map(|name| name.trim().into()).take(16).collect();
    Some(names)
}

#[cfg(test)]
mod tests {
    use weft_types::random::SplitMix;

    use super::*;

    const LOCAL: &str = "10.0.0.2:15008";

    fn open(destination: &str) -> RequestHead {
        let source = Some("10.0.0.1:4321".parse().unwrap());
        request(destination.parse().unwrap(), source, "k8s.pod.name=a", &mut SplitMix::new(1))
    }

    #[test]
    fn a_stream_goes_to_its_connections_address_alone() {
        let local = LOCAL.parse().unwrap();
        assert_eq!(destination(&open("10.0.0.2:9000"), local), Ok("10.0.0.2:9000".parse().unwrap()));
        for elsewhere in ["10.0.0.3:9000", "127.0.0.1:9000", "[::1]:9000"] {
            let refused = destination(&open(elsewhere), local).unwrap_err();
            assert_eq!(refused.status(), 400, "{refused}");
        }
        // Through the port itself it would go on for ever.
        assert_eq!(destination(&open(LOCAL), local).unwrap_err().status(), 404);
        let get = RequestHead::get("10.0.0.2:9000", "/");
        assert_eq!(destination(&get, local).unwrap_err().status(), 405);
        let mut named = open("10.0.0.2:9000");
        named.authority = "reviews:9000".into();
        assert_eq!(destination(&named, local), Err(Refusal::Authority("reviews:9000".into())));
    }

    #[test]
    fn a_peer_is_believed_as_to_its_port() {
        let head = open("10.0.0.2:9000");
        let peer = |text: &str| Some(text.parse().unwrap());
        assert_eq!(source(&head, peer("10.0.0.1:777")), peer("10.0.0.1:4321"));
        assert_eq!(source(&head, peer("10.0.0.9:777")), peer("10.0.0.9:777"));
        assert_eq!(protocols(&head), Some(vec![OPAQUE.into()]));
        let trace = head.headers.get_str("traceparent").unwrap();
        assert_eq!((trace.len(), &trace[..3]), (55, "00-"));
    }
}
