//! HBONE between two of our proxies.

use super::address;
use serde_json::{Value, json};

/// The listener where streams end; what they ask for is a port of the same proxy.
pub(super) fn listener(port: u16, tls: &Value) -> Value {
    json!({
        "name": "hbone", "address": address(port),
        "filter_chains": [{
            "transport_socket": tls,
            "filters": [{"name": "weft.filters.network.hbone", "typed_config": {
                "@type": "type.googleapis.com/weft.hbone.v1.Terminate", "stat_prefix": "hbone"}}],
        }],
    })
}

/// The transport of an endpoint whose proxy takes streams at that port.
pub(super) fn upstream(port: u16, tls: &Value) -> Value {
    json!({"name": "weft.transport_sockets.hbone", "typed_config": {
        "@type": "type.googleapis.com/weft.hbone.v1.Upstream", "port": port, "transport_socket": tls}})
}
