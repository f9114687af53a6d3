//! Istio's extensions: what is taken, and what is said of the rest.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod support;

use support::{context, proto};
use weft_proto::envoy::config::cluster::v3::Cluster as ClusterProto;
use weft_proto::envoy::config::listener::v3::Listener as ListenerProto;
use weft_tables::chain::Terminal;
use weft_tables::cluster::Cluster;
use weft_tables::convert::{self, Conversion};
use weft_tables::filter::{HttpFilterConfig, NetworkFilter};
use weft_tables::istio::{AlpnOverrides, IstioStats, MetricChange, PeerMetadata, Telling};
use weft_tables::listener::Listener;
use weft_tables::{Finding, FindingClass};

fn cluster(yaml: &str) -> Conversion<Cluster> {
    convert::cluster(&proto::<ClusterProto>(yaml), &context())
}

fn listener(yaml: &str) -> Conversion<Listener> {
    convert::listener(&proto::<ListenerProto>(yaml), &context())
}

const TYPE: &str = "type.googleapis.com";

/// A listener with these HTTP filters, and what was found.
fn http(filters: &str) -> (Vec<HttpFilterConfig>, Vec<Finding>) {
    let yaml = format!(
        "{{name: l, address: {{socket_address: {{address: 127.0.0.1, port_value: 1}}}}, filter_chains: [{{filters: [
          {{name: hcm, typed_config: {{
            '@type': {TYPE}/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager,
            stat_prefix: s, route_config: {{name: rc}},
            http_filters: [{filters}, {{name: router, typed_config: {{'@type': {TYPE}/envoy.extensions.filters.http.router.v3.Router}}}}]}}}}]}}]}}"
    );
    let (listener, findings) = listener(&yaml).unwrap();
    let Terminal::Http(manager) = &listener.chains.chains[0].1.terminal else { panic!("http") };
    (manager.filters.iter().map(|f| f.config.clone()).collect(), findings)
}

fn paths(findings: &[Finding]) -> Vec<&str> {
    assert!(findings.iter().all(|f| f.class == FindingClass::Ignored));
    let filters = "filter_chains[0].filters[0].typed_config.http_filters[0].typed_config.";
    findings.iter().map(|f| f.path.strip_prefix(filters).unwrap_or(&f.path)).collect()
}

#[test]
fn peer_metadata_goes_by_headers_alone() {
    let (filters, findings) = http(&format!(
        "{{name: m, typed_config: {{'@type': {TYPE}/io.istio.http.peer_metadata.Config,
           downstream_discovery: [{{workload_discovery: {{}}}}, {{istio_headers: {{}}}}],
           upstream_propagation: [{{istio_headers: {{skip_external_clusters: true}}}}], additional_labels: [role]}}}}"
    ));
    let HttpFilterConfig::PeerMetadata(config) = &filters[0] else { panic!("{filters:?}") };
    let expect = PeerMetadata {
        learn_downstream: true,
        tell_upstream: Some(Telling { skip_external: true }),
        labels: vec!["role".into()],
        ..PeerMetadata::default()
    };
    assert_eq!(**config, expect);
    assert_eq!(paths(&findings), ["downstream_discovery[0].workload_discovery"]);
}

#[test]
fn what_is_offered_never_names_what_is_not_spoken() {
    let (filters, findings) = http(&format!(
        "{{name: a, typed_config: {{'@type': {TYPE}/istio.envoy.config.filter.http.alpn.v2alpha1.FilterConfig,
           alpn_override: [{{upstream_protocol: HTTP11, alpn_override: [istio-peer-exchange, istio-http/1.1, istio]}}]}}}}"
    ));
    let HttpFilterConfig::Alpn(config) = &filters[0] else { panic!("{filters:?}") };
    let expect = AlpnOverrides { http11: Some("istio-http/1.1,istio".into()), ..AlpnOverrides::default() };
    assert_eq!(**config, expect);
    assert_eq!(paths(&findings), ["alpn_override[0].alpn_override[0]"]);

    let (cluster, findings) = cluster(&format!(
        "{{name: c, transport_socket: {{name: tls, typed_config: {{
           '@type': {TYPE}/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext,
           common_tls_context: {{alpn_protocols: [istio-peer-exchange, istio]}}}}}},
         filters: [{{name: m, typed_config: {{'@type': {TYPE}/envoy.tcp.metadataexchange.config.MetadataExchange, protocol: istio-peer-exchange}}}}]}}"
    ))
    .unwrap();
    assert!(format!("{:?}", cluster.transport).contains("alpn: [\"istio\"]"), "{:?}", cluster.transport);
    assert_eq!(findings.len(), 2);
}

#[test]
fn metrics_take_texts_and_say_what_they_do_not_take() {
    let (filters, findings) = http(&format!(
        "{{name: s, typed_config: {{'@type': {TYPE}/stats.PluginConfig, disable_host_header_fallback: true,
           tcp_reporting_duration: 0s, definitions: [{{name: own, value: '1'}}],
           metrics: [{{name: requests_total, tags_to_remove: [source_app], dimensions: {{region: \"'eu'\", host: request.host}}}},
                     {{name: nothing, drop: true}}]}}}}"
    ));
    let HttpFilterConfig::IstioStats(config) = &filters[0] else { panic!("{filters:?}") };
    let change = MetricChange {
        metric: "requests_total".into(),
        set: vec![("region".into(), "eu".into())],
        remove: vec!["source_app".into()],
        drop: false,
    };
    let other = MetricChange { metric: "nothing".into(), drop: true, ..MetricChange::default() };
    let expect = IstioStats { host_fallback: false, tcp_report: None, changes: vec![change, other] };
    assert_eq!(**config, expect);
    assert_eq!(paths(&findings), ["definitions", "metrics[0].dimensions[\"host\"]", "metrics[1].name"]);
}

#[test]
fn waypoints_are_refused_and_bytes_are_counted() {
    let chain = |stats: &str| {
        listener(&format!(
            "{{name: l, address: {{socket_address: {{address: 127.0.0.1, port_value: 1}}}}, filter_chains: [{{filters: [
               {{name: s, typed_config: {{'@type': {TYPE}/stats.PluginConfig, {stats}}}}},
               {{name: t, typed_config: {{'@type': {TYPE}/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy, stat_prefix: t, cluster: c}}}}]}}]}}"
        ))
    };
    let (counted, findings) = chain("").unwrap();
    assert!(findings.is_empty());
    let filters = &counted.chains.chains[0].1.filters;
    let [NetworkFilter::IstioStats(config)] = &filters[..] else { panic!("{filters:?}") };
    assert_eq!(**config, IstioStats::default());
    let findings = chain("reporter: SERVER_GATEWAY").unwrap_err();
    assert_eq!(findings[0].path, "filter_chains[0].filters[0].typed_config.reporter");
}
