//! What HTTP toward endpoints offers by ALPN, so that servers in the mesh know it for HTTP of the mesh
//! before they end TLS (SD-09, SD-10).

use weft_proto::envoy::config::core::v3::SubstitutionFormatString;
use weft_proto::envoy::config::core::v3::substitution_format_string::Format;
use weft_proto::envoy::extensions::filters::common::set_filter_state::v3::FilterStateValue;
use weft_proto::envoy::extensions::filters::common::set_filter_state::v3::filter_state_value::{
    Key, SharedWithUpstream, Value,
};
use weft_proto::envoy::extensions::filters::http::set_filter_state::v3::Config as SetFilterState;
use weft_proto::envoy::extensions::filters::network::http_connection_manager::v3::HttpFilter;
use weft_proto::istio::alpn::FilterConfig;
use weft_proto::istio::alpn::filter_config::{AlpnOverride, Protocol};

use super::http_filter;
use crate::capabilities::Capabilities;

/// Name of the filter. A route to a cluster whose TLS is not the mesh's disables it in core Envoy, where
/// it cannot tell clusters apart.
pub const ALPN_FILTER: &str = "istio.alpn";
/// Key in core Envoy's filter state.
const PROTOCOLS: &str = "envoy.network.application_protocols";

/// In Istio's filter: by the version that is spoken to the endpoint.
const BY_VERSION: [(Protocol, [&str; 3]); 3] = [
    (Protocol::Http10, ["istio-http/1.0", "istio", "http/1.0"]),
    (Protocol::Http11, ["istio-http/1.1", "istio", "http/1.1"]),
    (Protocol::Http2, ["istio-h2", "istio", "h2"]),
];

/// In core Envoy, which knows no version here: names of the mesh alone, of which a server takes none,
/// and then tells the version by the first bytes.
const ANY_VERSION: &str = "istio-http/1.1,istio";

/// The filter.
pub(super) fn http(capabilities: Capabilities) -> HttpFilter {
    if capabilities.istio_alpn {
        let by_version = |(protocol, names): &(Protocol, [&str; 3])| AlpnOverride {
            upstream_protocol: (*protocol).into(),
            alpn_override: names.iter().map(|name| (*name).to_owned()).collect(),
        };
        let config = FilterConfig { alpn_override: BY_VERSION.iter().map(by_version).collect() };
        return http_filter(ALPN_FILTER, &config);
    }
    let value = FilterStateValue {
        key: Some(Key::ObjectKey(PROTOCOLS.to_owned())),
        value: Some(Value::FormatString(SubstitutionFormatString {
            format: Some(Format::TextFormatSource(super::access_log::inline(ANY_VERSION))),
            ..SubstitutionFormatString::default()
        })),
        shared_with_upstream: SharedWithUpstream::Once.into(),
        ..FilterStateValue::default()
    };
    http_filter(ALPN_FILTER, &SetFilterState { on_request_headers: vec![value], ..SetFilterState::default() })
}
