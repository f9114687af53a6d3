use weft_types::Version;

use super::ALPN;
use crate::testing::{Fixed, chain, cluster, context, get};

const FILTER: &str = "{name: istio.alpn, typed_config: {
  '@type': type.googleapis.com/istio.envoy.config.filter.http.alpn.v2alpha1.FilterConfig, alpn_override: [
  {upstream_protocol: HTTP10, alpn_override: [istio-http/1.0, istio, http/1.0]},
  {upstream_protocol: HTTP11, alpn_override: [istio-http/1.1, istio, istio-peer-exchange, http/1.1]},
  {upstream_protocol: HTTP2, alpn_override: [istio-h2, istio, h2]}]}}";

#[test]
fn the_protocol_spoken_upstream_decides() {
    let h2 = "typed_extension_protocol_options: {envoy.extensions.upstreams.http.v3.HttpProtocolOptions: {
      '@type': type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions,
      explicit_http_config: {http2_protocol_options: {}}}}";
    let by_client =
        "typed_extension_protocol_options: {envoy.extensions.upstreams.http.v3.HttpProtocolOptions: {
      '@type': type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions,
      use_downstream_protocol_config: {http2_protocol_options: {}}}}";
    let fixed = "metadata: {filter_metadata: {istio: {alpn_override: 'false'}}}";
    for (fields, version, expect) in [
        ("", Version::Http2, Some("istio-http/1.1,istio,http/1.1")),
        (h2, Version::Http11, Some("istio-h2,istio,h2")),
        (by_client, Version::Http11, Some("istio-http/1.1,istio,http/1.1")),
        (by_client, Version::Http10, Some("istio-http/1.0,istio,http/1.0")),
        (by_client, Version::Http2, Some("istio-h2,istio,h2")),
        (fixed, Version::Http11, None),
    ] {
        let mut cx = context();
        cx.cluster = Some(cluster(fields));
        let mut head = get("/");
        head.version = version;
        let mut chain = chain(FILTER, "match: {prefix: /}, route: {cluster: a}");
        chain.request(0, &mut head, true, &mut cx, &mut Fixed(0));
        assert_eq!(cx.state.get(ALPN).map(|v| &**v), expect, "{fields} {version:?}");
    }
}
