//! One hop of bytes that the proxy does not read; HTTP/1.1 is what they happen to be.

use crate::bench::backend::Backend;
use crate::bench::case::Case;
use crate::bench::kind::Kind;
use crate::bench::kind::Kind::{Direct, Envoy, Floor, Haproxy, Nginx, Weft};
use crate::bench::load::Load;
use crate::bench::spec::{Carries, Spec};

const ALL: &[Kind] = &[Floor, Nginx, Haproxy, Envoy, Weft];
const HOP: Spec = Spec::hop(Carries::Tcp);

pub(super) const CASES: &[Case] = &[
    Case::new(
        "tcp",
        "TCP, request and response of 1 KiB",
        HOP,
        Backend::Files,
        Load::WRK,
        &[Direct, Floor, Nginx, Haproxy, Envoy, Weft],
    )
    .paced()
    .quick(&[Haproxy, Weft]),
    Case::new(
        "tcp-new",
        "TCP, a new connection each time",
        HOP,
        Backend::Files,
        Load::Wrk { connections: 64, close: true, path: "/body", post: 0 },
        ALL,
    )
    .unit("connection")
    .quick(&[Haproxy, Weft]),
    Case::new(
        "tcp-bulk-up",
        "TCP, one stream, client to server",
        HOP,
        Backend::Iperf,
        Load::Iperf { down: false },
        ALL,
    )
    .unit("MB")
    .quick(&[Envoy, Weft]),
    Case::new(
        "tcp-bulk-down",
        "TCP, one stream, server to client",
        HOP,
        Backend::Iperf,
        Load::Iperf { down: true },
        ALL,
    )
    .unit("MB"),
];
