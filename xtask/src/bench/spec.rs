//! What a case asks of a proxy, in words that each kind of proxy translates into its configuration.

/// What the connections carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Carries {
    /// HTTP/1.1 in and out.
    Http1,
    /// HTTP/2 without TLS, in and out.
    Http2,
    /// gRPC: HTTP/2 with trailers, in and out.
    Grpc,
    /// Bytes that the proxy does not read.
    Tcp,
}

/// The filters before the router.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Chain {
    /// None.
    Plain,
    /// As istiod renders them, with 10 rules of access and a log to a file.
    Istio,
}

/// What two proxies speak between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Between {
    Http1,
    Http2,
    /// Mutual TLS for each connection, Istio's way.
    Tcp,
    /// Streams of pooled HTTP/2 connections, ambient's way.
    Hbone,
}

/// The proxies on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hops {
    One,
    /// Plain in, mutual TLS between, plain out.
    Two(Between),
}

/// What a proxy is to do.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spec {
    pub(super) carries: Carries,
    pub(super) chain: Chain,
    pub(super) hops: Hops,
    /// Clients come with mutual TLS, and the proxy itself answers.
    pub(super) tls: bool,
    /// Further clusters, each with a virtual host and a route.
    pub(super) clusters: usize,
}

impl Spec {
    /// One hop without anything further.
    pub(super) const fn hop(carries: Carries) -> Self {
        Self { carries, chain: Chain::Plain, hops: Hops::One, tls: false, clusters: 0 }
    }

    /// Two hops with mutual TLS between.
    pub(super) const fn pair(between: Between) -> Self {
        let carries = match between {
            Between::Http1 | Between::Http2 => Carries::Http1,
            Between::Tcp | Between::Hbone => Carries::Tcp,
        };
        Self { hops: Hops::Two(between), ..Self::hop(carries) }
    }

    /// The same with Istio's chain.
    pub(super) const fn with_istio(self) -> Self {
        Self { chain: Chain::Istio, ..self }
    }
}
