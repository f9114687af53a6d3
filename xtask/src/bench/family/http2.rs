//! One hop of HTTP/2 without TLS, gRPC among it.

use crate::bench::backend::Backend;
use crate::bench::case::Case;
use crate::bench::kind::Kind;
use crate::bench::kind::Kind::{Envoy, Floor, Haproxy, Nginx, Weft};
use crate::bench::load::Load;
use crate::bench::spec::{Carries, Spec};

const ALL: &[Kind] = &[Floor, Nginx, Haproxy, Envoy, Weft];

pub(super) const CASES: &[Case] = &[
    Case::new(
        "http2",
        "HTTP/2 in and out, 8 connections of 16 streams, 1 KiB; nginx speaks HTTP/1.1 to its backend",
        Spec::hop(Carries::Http2),
        Backend::Files,
        Load::H2load { clients: 8, streams: 16, path: "/body", post: 0 },
        ALL,
    )
    .quick(&[Haproxy, Envoy, Weft]),
    Case::new(
        "grpc-unary",
        "gRPC calls of one message of 1 KiB each way",
        Spec::hop(Carries::Grpc),
        Backend::Grpc,
        Load::H2load { clients: 8, streams: 16, path: "/bench.Echo/Call", post: 1024 },
        ALL,
    ),
    Case::new(
        "grpc-stream",
        "gRPC streams of 1,000 messages of 1 KiB, each sent back",
        Spec::hop(Carries::Grpc),
        Backend::Grpc,
        Load::Streams,
        ALL,
    )
    .unit("message"),
];
