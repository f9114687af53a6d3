//! Memory and start: at rest, with many connections, with many clusters and routes.

use crate::bench::backend::Backend;
use crate::bench::case::Case;
use crate::bench::figures::Figure;
use crate::bench::kind::Kind;
use crate::bench::kind::Kind::{Envoy, Floor, Haproxy, Nginx, Weft};
use crate::bench::load::Load;
use crate::bench::spec::{Carries, Spec};

const ALL: &[Kind] = &[Nginx, Haproxy, Envoy, Weft];
const HOP: Spec = Spec::hop(Carries::Http1);

const fn start(name: &'static str, what: &'static str, clusters: usize) -> Case {
    let spec = Spec { clusters, ..HOP };
    Case::new(name, what, spec, Backend::Files, Load::Start, ALL).unit("start").compare(Figure::Start)
}

pub(super) const CASES: &[Case] = &[
    start("start", "start to the first listener, and memory at rest", 0).quick(&[Weft]),
    start("start-1000", "start and memory with 1,000 further clusters and routes", 1_000)
        .quick(&[Envoy, Weft]),
    start("start-5000", "start and memory with 5,000 further clusters and routes", 5_000),
    Case::new(
        "idle-1000",
        "memory with 1,000 idle connections that did a request each",
        HOP,
        Backend::Files,
        Load::Hold { connections: 1_000 },
        ALL,
    )
    .unit("connection")
    .compare(Figure::Memory),
    Case::new(
        "active-1000",
        "HTTP/1.1 on 1,000 busy connections",
        HOP,
        Backend::Files,
        Load::Wrk { connections: 1_000, close: false, path: "/body", post: 0 },
        &[Floor, Nginx, Haproxy, Envoy, Weft],
    )
    .quick(&[Weft]),
];
