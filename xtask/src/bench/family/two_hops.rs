//! Two proxies as sidecars: plain in, mutual TLS 1.3 between, plain out.

use crate::bench::backend::Backend;
use crate::bench::case::Case;
use crate::bench::kind::Kind;
use crate::bench::kind::Kind::{Direct, Envoy, Weft};
use crate::bench::load::Load;
use crate::bench::spec::{Between, Spec};

const PAIRS: &[Kind] = &[Envoy, Weft];
const WITH_DIRECT: &[Kind] = &[Direct, Envoy, Weft];
const NEW: Load = Load::Wrk { connections: 64, close: true, path: "/body", post: 0 };
/// A handshake for each: more connections at once would but wait.
const FEW_NEW: Load = Load::Wrk { connections: 16, close: true, path: "/body", post: 0 };

const fn pair(
    name: &'static str,
    what: &'static str,
    spec: Spec,
    load: Load,
    kinds: &'static [Kind],
) -> Case {
    Case::new(name, what, spec, Backend::Files, load, kinds)
}

pub(super) const CASES: &[Case] = &[
    pair("two-http1", "mTLS pair, HTTP/1.1 between", Spec::pair(Between::Http1), Load::WRK, WITH_DIRECT)
        .paced(),
    pair(
        "two-http1-istio",
        "mTLS pair, HTTP/1.1 between, Istio's default chain",
        Spec::pair(Between::Http1).with_istio(),
        Load::WRK,
        WITH_DIRECT,
    )
    .paced(),
    pair("two-http2", "mTLS pair, HTTP/2 between", Spec::pair(Between::Http2), Load::WRK, WITH_DIRECT)
        .paced(),
    pair(
        "two-http2-istio",
        "mTLS pair, HTTP/2 between, Istio's default chain",
        Spec::pair(Between::Http2).with_istio(),
        Load::WRK,
        WITH_DIRECT,
    )
    .paced()
    .quick(WITH_DIRECT),
    pair("two-tcp", "mTLS pair, opaque TCP", Spec::pair(Between::Tcp), Load::WRK, WITH_DIRECT)
        .paced()
        .quick(PAIRS),
    pair(
        "two-tcp-hbone",
        "mTLS pair, opaque TCP: ours over HBONE, Envoy's as it does",
        Spec::pair(Between::Hbone),
        Load::WRK,
        PAIRS,
    )
    .paced(),
    pair(
        "two-http-new",
        "mTLS pair, HTTP/2 between, a new client connection each time",
        Spec::pair(Between::Http2),
        NEW,
        PAIRS,
    )
    .unit("connection")
    .quick(PAIRS),
    pair(
        "two-tcp-new",
        "mTLS pair, opaque TCP, a new connection each time with Istio's ALPNs",
        Spec::pair(Between::Tcp),
        FEW_NEW,
        PAIRS,
    )
    .unit("connection")
    .quick(PAIRS),
    pair(
        "two-tcp-new-hbone",
        "mTLS pair, opaque TCP, a new connection each time: ours over HBONE, Envoy's as it does",
        Spec::pair(Between::Hbone),
        FEW_NEW,
        PAIRS,
    )
    .unit("connection")
    .quick(PAIRS),
];
