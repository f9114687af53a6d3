//! Mutual TLS between the hops, as Istio sets it up: TLS 1.3, its ALPNs, certificates from files.

use crate::bench::pki::Files;
use crate::bench::spec::Between;
use serde_json::{Value, json};

/// Of a listener that demands its clients' certificates.
pub(super) fn downstream(files: &Files) -> Value {
    json!({"name": "tls", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
        "require_client_certificate": true,
        "common_tls_context": common(files, &["istio-peer-exchange", "h2", "http/1.1"]),
    }})
}

/// Of a cluster. `istio.alpn` would set these by request; Envoy's release does not carry it.
pub(super) fn upstream(files: &Files, between: Between) -> Value {
    let protocols: &[&str] = match between {
        Between::Http1 => &["istio-http/1.1", "istio", "http/1.1"],
        Between::Http2 => &["istio-h2", "istio", "h2"],
        Between::Tcp | Between::Hbone => &["istio"],
    };
    json!({"name": "tls", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
        "sni": "outbound_.80_._.server.shop.svc.cluster.local",
        "common_tls_context": common(files, protocols),
    }})
}

fn common(files: &Files, protocols: &[&str]) -> Value {
    json!({
        "alpn_protocols": protocols,
        // The same key exchange for all: what it costs is not what is compared.
        "tls_params": {
            "tls_minimum_protocol_version": "TLSv1_3", "tls_maximum_protocol_version": "TLSv1_3",
            "ecdh_curves": ["X25519"],
        },
        "tls_certificates": [{
            "certificate_chain": {"filename": files.chain}, "private_key": {"filename": files.key}}],
        "validation_context": {
            "trusted_ca": {"filename": files.roots},
            "match_typed_subject_alt_names": [
                {"san_type": "URI", "matcher": {"prefix": "spiffe://cluster.local/ns/shop/"}}],
        },
    })
}
