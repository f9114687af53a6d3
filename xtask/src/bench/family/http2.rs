//! One hop of HTTP/2 without TLS.

use crate::bench::backend::Backend;
use crate::bench::case::Case;
use crate::bench::kind::Kind::{Envoy, Floor, Haproxy, Nginx, Weft};
use crate::bench::load::Load;
use crate::bench::spec::{Carries, Spec};

pub(super) const CASES: &[Case] = &[Case::new(
    "http2",
    "HTTP/2 in and out, 8 connections of 16 streams, 1 KiB",
    Spec::hop(Carries::Http2),
    Backend::Files,
    Load::H2load { clients: 8, streams: 16, path: "/body", post: 0 },
    &[Floor, Nginx, Haproxy, Envoy, Weft],
)
.quick(&[Haproxy, Envoy, Weft])];
