//! Clusters, endpoints and secrets.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod support;

use std::time::Duration;

use support::{context, paths, proto};
use weft_proto::envoy::config::cluster::v3::Cluster as Proto;
use weft_proto::envoy::config::endpoint::v3::ClusterLoadAssignment;
use weft_proto::envoy::extensions::transport_sockets::tls::v3::Secret as SecretProto;
use weft_tables::address::SocketAddress;
use weft_tables::cluster::{
    Breakers, Cluster, Discovery, DnsFamily, Health, LbPolicy, TransportLayer, UpstreamVersion,
};
use weft_tables::convert::{self, Conversion};
use weft_tables::tls::{Secret, SecretSource, TlsVersion, ValidationSource};

fn cluster(yaml: &str) -> Conversion<Cluster> {
    convert::cluster(&proto::<Proto>(yaml), &context())
}

#[test]
fn a_plain_cluster_has_the_defaults_of_envoy() {
    let (cluster, findings) = cluster("{name: c}").unwrap();
    assert_eq!(findings, []);
    assert_eq!(&*cluster.stat_name, "c");
    assert_eq!(cluster.connect_timeout, Duration::from_secs(5));
    assert_eq!(cluster.balancing.policy, LbPolicy::RoundRobin);
    assert_eq!(cluster.breakers, Breakers::default());
    assert_eq!(cluster.idle_timeout, Some(Duration::from_secs(3600)));
    assert_eq!((cluster.panic_threshold, cluster.buffer_limit), (50.0, 1024 * 1024));
    assert_eq!(cluster.http.version, UpstreamVersion::Http1);
    assert!(cluster.outlier.is_none() && cluster.transport.layers.is_empty());
    assert!(matches!(cluster.discovery, Discovery::Static(endpoints) if endpoints.localities.is_empty()));
}

#[test]
fn names_are_resolved_only_where_the_type_says_so() {
    let yaml = |kind| {
        format!(
            "{{name: c, type: {kind}, dns_lookup_family: V4_PREFERRED, load_assignment: {{cluster_name: c, endpoints: [{{lb_endpoints: [
             {{endpoint: {{address: {{socket_address: {{address: example.com, port_value: 80}}}}}}}}]}}]}}}}"
        )
    };
    let (found, _) = cluster(&yaml("STRICT_DNS")).unwrap();
    let Discovery::StrictDns(dns) = &found.discovery else { panic!() };
    assert_eq!((dns.refresh, dns.family), (Duration::from_secs(5), DnsFamily::V4Preferred));
    assert_eq!(
        dns.endpoints.localities[0].endpoints[0].address,
        SocketAddress::Name("example.com".into(), 80)
    );
    let findings = cluster(&yaml("STATIC")).unwrap_err();
    assert_eq!(
        paths(&findings),
        ["load_assignment.endpoints[0].lb_endpoints[0].endpoint.address.socket_address.address"]
    );
    assert!(findings[0].hint.is_some());
}

#[test]
fn original_destinations_may_come_from_a_header() {
    let yaml = "{name: c, type: ORIGINAL_DST, lb_policy: CLUSTER_PROVIDED, original_dst_lb_config: {use_http_header: true}}";
    let (found, _) = cluster(yaml).unwrap();
    assert!(matches!(
        &found.discovery,
        Discovery::OriginalDst { header: Some(name), port: None } if &**name == "x-envoy-original-dst-host"
    ));
}

#[test]
fn endpoints_keep_their_order_weight_health_and_place() {
    let (found, findings) = convert::endpoints(
        &proto::<ClusterLoadAssignment>(
            "
cluster_name: c
endpoints:
- locality: {region: r, zone: z}
  load_balancing_weight: 3
  priority: 1
  lb_endpoints:
  - {health_status: DRAINING, load_balancing_weight: 7, endpoint: {hostname: h, address: {socket_address: {address: '::1', port_value: 1}}}}
  - {endpoint: {address: {pipe: {path: /tmp/x}}}}
policy: {overprovisioning_factor: 200, drop_overloads: [{category: x, drop_percentage: {numerator: 5}}]}
",
        ),
        &context(),
    )
    .unwrap();
    assert_eq!(findings, []);
    let locality = &found.localities[0];
    assert_eq!((locality.priority, locality.weight, &*locality.locality.zone), (1, Some(3), "z"));
    let first = &locality.endpoints[0];
    assert_eq!((first.weight, first.health, &*first.hostname), (7, Health::Draining, "h"));
    assert_eq!(locality.endpoints[1].address, SocketAddress::Unix("/tmp/x".into()));
    assert_eq!((found.overprovisioning, found.drop_overloads.len()), (200, 1));
}

#[test]
fn outlier_percentages_default_as_in_envoy() {
    let (found, _) =
        cluster("{name: c, outlier_detection: {consecutive_5xx: 2, base_ejection_time: 400s}}").unwrap();
    let outlier = found.outlier.unwrap();
    assert_eq!((outlier.consecutive_5xx, outlier.enforcing_consecutive_5xx), (2, 100));
    assert_eq!((outlier.enforcing_consecutive_gateway_failure, outlier.max_ejection_percent), (0, 10));
    assert_eq!(outlier.max_ejection_time, Duration::from_secs(400), "never below the base");
    assert_eq!((outlier.success_rate.stdev_factor, outlier.failure_percentage.threshold), (1900, 85));
}

#[test]
fn both_forms_of_http_options_are_read() {
    let (old, _) = cluster("{name: c, http2_protocol_options: {max_concurrent_streams: 7}}").unwrap();
    let (new, _) = cluster(
        "{name: c, typed_extension_protocol_options: {envoy.extensions.upstreams.http.v3.HttpProtocolOptions: {
          '@type': type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions,
          common_http_protocol_options: {idle_timeout: 0s, max_requests_per_connection: 1},
          upstream_http_protocol_options: {auto_sni: true},
          explicit_http_config: {http2_protocol_options: {max_concurrent_streams: 7}}}}}",
    )
    .unwrap();
    for found in [&old, &new] {
        assert_eq!(found.http.version, UpstreamVersion::Http2);
        assert_eq!(found.http.options.max_concurrent_streams, 7);
    }
    assert_eq!((new.idle_timeout, new.max_requests_per_connection, new.http.auto_sni), (None, 1, true));
}

#[test]
fn transports_are_stacks() {
    let (found, findings) = cluster(
        "
name: c
transport_socket:
  name: proxy
  typed_config:
    '@type': type.googleapis.com/envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport
    config: {version: V2}
    transport_socket:
      name: tls
      typed_config:
        '@type': type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext
        sni: example.com
        common_tls_context:
          alpn_protocols: [h2]
          tls_params: {tls_minimum_protocol_version: TLSv1_0}
          validation_context_sds_secret_config: {name: known}
",
    )
    .unwrap();
    let [TransportLayer::ProxyProtocol(2), TransportLayer::Tls(tls)] = found.transport.layers.as_slice()
    else {
        panic!("{:?}", found.transport)
    };
    assert_eq!((&*tls.sni, &*tls.common.alpn[0]), ("example.com", "h2"));
    assert_eq!(
        (tls.common.min_version, tls.common.max_version),
        (TlsVersion::V1_2, TlsVersion::V1_2),
        "a client, unless told"
    );
    assert_eq!(tls.common.validation, ValidationSource::One(SecretSource::Named("known".into())));
    assert_eq!(findings.len(), 1);
    assert!(findings[0].path.ends_with("tls_params.tls_minimum_protocol_version"), "{findings:?}");
}

#[test]
fn secrets_never_show_their_keys() {
    let key = "-----BEGIN PRIVATE KEY-----\\nsecret\\n-----END PRIVATE KEY-----";
    let (secret, _) = convert::secret(
        &proto::<SecretProto>(&format!(
            "{{name: s, tls_certificate: {{certificate_chain: {{inline_string: \"-----BEGIN CERTIFICATE-----\"}}, private_key: {{inline_string: \"{key}\"}}}}}}"
        )),
        &context(),
    )
    .unwrap();
    assert!(matches!(&secret, Secret::Certificate { key, .. } if key.starts_with(b"-----BEGIN PRIVATE")));
    assert!(!format!("{secret:?}").contains("secret\n"));
}

#[test]
fn istios_own_extensions_are_passed_over() {
    let (_, findings) = cluster(
        "{name: c, filters: [{name: istio.metadata_exchange, typed_config: {'@type': type.googleapis.com/udpa.type.v1.TypedStruct,
          type_url: type.googleapis.com/envoy.tcp.metadataexchange.config.MetadataExchange, value: {protocol: istio-peer-exchange}}}]}",
    )
    .unwrap();
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].path, "filters[0]");
}
