//! Listener filters: what is looked at before a chain is chosen (SD-09).

use weft_proto::envoy::config::listener::v3::ListenerFilter;
use weft_proto::envoy::config::listener::v3::listener_filter::ConfigType;
use weft_proto::envoy::extensions::filters::listener::http_inspector::v3::HttpInspector;
use weft_proto::envoy::extensions::filters::listener::original_dst::v3::OriginalDst;
use weft_proto::envoy::extensions::filters::listener::tls_inspector::v3::TlsInspector;

fn filter<M: prost::Name>(name: &str, config: &M) -> ListenerFilter {
    ListenerFilter {
        name: name.to_owned(),
        config_type: Some(ConfigType::TypedConfig(weft_proto::any::pack(config))),
        ..ListenerFilter::default()
    }
}

/// Asks the kernel where the caller wanted to go.
#[must_use]
pub fn original_dst() -> ListenerFilter {
    filter("envoy.filters.listener.original_dst", &OriginalDst {})
}

/// Looks for TLS, its server name and ALPN.
#[must_use]
pub fn tls_inspector() -> ListenerFilter {
    filter("envoy.filters.listener.tls_inspector", &TlsInspector::default())
}

/// Looks for HTTP.
#[must_use]
pub fn http_inspector() -> ListenerFilter {
    filter("envoy.filters.listener.http_inspector", &HttpInspector {})
}
