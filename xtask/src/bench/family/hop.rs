//! One hop of HTTP/1.1.

use crate::bench::backend::Backend;
use crate::bench::case::Case;
use crate::bench::kind::Kind;
use crate::bench::kind::Kind::{Direct, Envoy, Floor, Haproxy, Nginx, Weft};
use crate::bench::load::Load;
use crate::bench::spec::{Carries, Spec};

const ALL: &[Kind] = &[Direct, Floor, Nginx, Haproxy, Envoy, Weft];
const HOP: Spec = Spec::hop(Carries::Http1);

pub(super) const CASES: &[Case] = &[
    Case::new("http1", "HTTP/1.1, keep-alive, 1 KiB", HOP, Backend::Files, Load::WRK, ALL)
        .paced()
        .quick(&[Nginx, Envoy, Weft]),
    Case::new(
        "http1-istio",
        "the same with Istio's default chain: peers, 10 rules, fault, stats, log to a file",
        HOP.with_istio(),
        Backend::Files,
        Load::WRK,
        &[Envoy, Weft],
    )
    .paced()
    .quick(&[Envoy, Weft]),
    Case::new(
        "http1-new",
        "HTTP/1.1, a new connection each time",
        HOP,
        Backend::Files,
        Load::Wrk { connections: 64, close: true, path: "/body", post: 0 },
        &[Floor, Nginx, Haproxy, Envoy, Weft],
    )
    .unit("connection")
    .quick(&[Haproxy, Weft]),
    Case::new(
        "http1-large-down",
        "HTTP/1.1, bodies of 1 MiB from the server",
        HOP,
        Backend::Files,
        Load::Wrk { connections: 8, close: false, path: "/large", post: 0 },
        &[Floor, Nginx, Haproxy, Envoy, Weft],
    )
    .unit("body"),
    Case::new(
        "http1-large-up",
        "HTTP/1.1, bodies of 1 MiB to the server",
        HOP,
        Backend::Upload,
        Load::Wrk { connections: 8, close: false, path: "/", post: 1 << 20 },
        &[Floor, Nginx, Haproxy, Envoy, Weft],
    )
    .unit("body"),
];
