//! Mutual TLS 1.3 handshakes, X25519 and P-256 certificates, each with one small request that the proxy
//! answers itself: until then a client does not know that its certificate was taken.

use crate::bench::backend::Backend;
use crate::bench::case::Case;
use crate::bench::kind::Kind;
use crate::bench::kind::Kind::{Envoy, Haproxy, Nginx, Weft};
use crate::bench::load::Load;
use crate::bench::spec::{Carries, Spec};

const ALL: &[Kind] = &[Nginx, Haproxy, Envoy, Weft];
const TLS: Spec = Spec { tls: true, ..Spec::hop(Carries::Http1) };

pub(super) const CASES: &[Case] = &[
    Case::new(
        "tls-full",
        "mutual TLS 1.3 handshakes, full",
        TLS,
        Backend::None,
        Load::Handshakes { resumed: false },
        ALL,
    )
    .unit("handshake")
    .quick(&[Envoy, Weft]),
    Case::new(
        "tls-resumed",
        "mutual TLS 1.3 handshakes, resumed",
        TLS,
        Backend::None,
        Load::Handshakes { resumed: true },
        ALL,
    )
    .unit("handshake"),
];
