//! A client's and a server's sidecar of a small mesh, from bootstraps with Istio's filters.

// A test's helper may unwrap as the test itself.
#![allow(clippy::unwrap_used, dead_code)]

pub(crate) mod envoy;
pub(crate) mod metrics;
pub(crate) mod pki;

use std::path::Path;

const TYPE: &str = "type.googleapis.com";

/// A node as Istio's agent tells of it.
pub(crate) fn node(workload: &str, app: &str, version: &str) -> String {
    format!(
        "node: {{id: 'sidecar~127.0.0.1~{workload}-1.shop~shop.svc.cluster.local', cluster: '{app}.shop', metadata: {{
  NAME: {workload}-1, NAMESPACE: shop, WORKLOAD_NAME: {workload}, CLUSTER_ID: Kubernetes,
  OWNER: kubernetes://apis/apps/v1/namespaces/shop/deployments/{workload},
  LABELS: {{app: {app}, version: {version}, service.istio.io/canonical-name: {app}, service.istio.io/canonical-revision: {version}}}}}}}\n"
    )
}

pub(crate) fn admin(port: u16) -> String {
    format!("admin: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}}}\n")
}

/// The text log of Istio.
const ISTIO_FORMAT: &str = r#"[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% \"%UPSTREAM_TRANSPORT_FAILURE_REASON%\" %BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% \"%REQ(X-FORWARDED-FOR)%\" \"%REQ(USER-AGENT)%\" \"%REQ(X-REQUEST-ID)%\" \"%REQ(:AUTHORITY)%\" \"%UPSTREAM_HOST%\" %UPSTREAM_CLUSTER_RAW% %UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% %REQUESTED_SERVER_NAME% %ROUTE_NAME%\n"#;

/// Istio's filters on the client's side, as istiod renders them.
pub(crate) const OUTBOUND: &str = "
  - {name: istio.metadata_exchange, typed_config: {'@type': type.googleapis.com/io.istio.http.peer_metadata.Config,
     upstream_discovery: [{istio_headers: {}}, {workload_discovery: {}}],
     upstream_propagation: [{istio_headers: {skip_external_clusters: true}}]}}
  - {name: envoy.filters.http.grpc_stats, typed_config: {'@type': type.googleapis.com/envoy.extensions.filters.http.grpc_stats.v3.FilterConfig,
     emit_filter_state: true, stats_for_all_methods: false}}
  - {name: istio.alpn, typed_config: {'@type': type.googleapis.com/istio.envoy.config.filter.http.alpn.v2alpha1.FilterConfig,
     alpn_override: [{upstream_protocol: HTTP10, alpn_override: [istio-http/1.0, istio, http/1.0]},
       {upstream_protocol: HTTP11, alpn_override: [istio-http/1.1, istio, http/1.1]},
       {upstream_protocol: HTTP2, alpn_override: [istio-h2, istio, h2]}]}}
  - {name: istio.stats, typed_config: {'@type': type.googleapis.com/stats.PluginConfig}}";

/// Istio's filters on the server's side.
pub(crate) const INBOUND: &str = "
  - {name: istio.metadata_exchange, typed_config: {'@type': type.googleapis.com/io.istio.http.peer_metadata.Config,
     downstream_discovery: [{istio_headers: {}}, {workload_discovery: {}}], downstream_propagation: [{istio_headers: {}}]}}
  - {name: envoy.filters.http.grpc_stats, typed_config: {'@type': type.googleapis.com/envoy.extensions.filters.http.grpc_stats.v3.FilterConfig,
     emit_filter_state: true, stats_for_all_methods: false}}
  - {name: istio.stats, typed_config: {'@type': type.googleapis.com/stats.PluginConfig, disable_host_header_fallback: true}}";

/// A listener for HTTP on `port` with these filters, whose requests go to `cluster`. `more` are further
/// fields of the filter chain, `path` where it logs.
pub(crate) fn http_listener(
    (name, direction, port): (&str, &str, u16),
    (filters, cluster): (&str, &str),
    more: &str,
    log: &Path,
) -> String {
    format!(
        "- name: {name}
  traffic_direction: {direction}
  address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}
  listener_filters: [{{name: tls, typed_config: {{'@type': {TYPE}/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector}}}}]
  filter_chains:
  - {more}
    filters:
    - name: hcm
      typed_config:
        '@type': {TYPE}/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
        stat_prefix: {name}
        codec_type: AUTO
        access_log: [{{name: file, typed_config: {{'@type': {TYPE}/envoy.extensions.access_loggers.file.v3.FileAccessLog,
          path: {log}, log_format: {{text_format_source: {{inline_string: \"{ISTIO_FORMAT}\"}}}}}}}}]
        route_config: {{validate_clusters: false, virtual_hosts: [{{name: all, domains: ['*'], routes: [
          {{name: nowhere, match: {{prefix: /nowhere}}, route: {{cluster: nowhere}}}},
          {{name: default, match: {{prefix: /}}, response_headers_to_add: [{{header: {{key: x-{name}-server, value: '%UPSTREAM_PEER_URI_SAN%'}}}}], route: {{cluster: '{cluster}', timeout: 0s}}}}]}}]}}
        http_filters:{}
        - {{name: router, typed_config: {{'@type': {TYPE}/envoy.extensions.filters.http.router.v3.Router}}}}\n",
        filters.replace("\n  ", "\n        "),
        log = log.display(),
    )
}

/// A listener for opaque bytes.
pub(crate) fn tcp_listener(
    (name, direction, port): (&str, &str, u16),
    cluster: &str,
    more: &str,
    log: &Path,
) -> String {
    format!(
        "- name: {name}
  traffic_direction: {direction}
  address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}
  listener_filters: [{{name: tls, typed_config: {{'@type': {TYPE}/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector}}}}]
  filter_chains:
  - {more}
    filters:
    - {{name: rbac, typed_config: {{'@type': {TYPE}/envoy.extensions.filters.network.rbac.v3.RBAC, stat_prefix: 'tcp.',
       rules: {{action: DENY, policies: {{'ns[shop]-policy[no guests]-rule[0]': {{permissions: [{{any: true}}],
         principals: [{{authenticated: {{principal_name: {{suffix: /sa/guest}}}}}}]}}}}}}}}}}
    - {{name: istio.metadata_exchange, typed_config: {{'@type': {TYPE}/envoy.tcp.metadataexchange.config.MetadataExchange, protocol: istio-peer-exchange}}}}
    - {{name: istio.stats, typed_config: {{'@type': {TYPE}/stats.PluginConfig, tcp_reporting_duration: 0.1s}}}}
    - {{name: tcp, typed_config: {{'@type': {TYPE}/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy, stat_prefix: {name}, cluster: '{cluster}',
       access_log: [{{name: file, typed_config: {{'@type': {TYPE}/envoy.extensions.access_loggers.file.v3.FileAccessLog,
         path: {log}, log_format: {{text_format_source: {{inline_string: \"{ISTIO_FORMAT}\"}}}}}}}}]}}}}\n",
        log = log.display(),
    )
}

/// A cluster of one endpoint, with Istio's metadata.
pub(crate) fn cluster(name: &str, host: &str, port: u16, workload: &str, more: &str) -> String {
    let short = host.split('.').next().unwrap_or_default();
    format!(
        "- name: '{name}'
  {more}
  metadata: {{filter_metadata: {{istio: {{services: [{{host: {host}, name: {short}, namespace: shop}}]}}}}}}
  load_assignment: {{cluster_name: '{name}', endpoints: [{{lb_endpoints: [{{
    metadata: {{filter_metadata: {{istio: {{workload: '{workload}'}}}}}},
    endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}}}}}]}}]}}\n"
    )
}

/// `transport_socket` of a server that demands its clients' certificates; `alpn` as a list.
pub(crate) fn server_tls(files: &pki::Files, alpn: &str) -> String {
    format!(
        "transport_socket: {{name: tls, typed_config: {{'@type': {TYPE}/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext,
      require_client_certificate: true, {}}}}}",
        common(files, alpn)
    )
}

/// `transport_socket` of a client.
pub(crate) fn client_tls(files: &pki::Files, alpn: &str) -> String {
    format!(
        "transport_socket: {{name: tls, typed_config: {{'@type': {TYPE}/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext,
      sni: outbound_.80_._.reviews.shop.svc.cluster.local, {}}}}}",
        common(files, alpn)
    )
}

fn common(files: &pki::Files, alpn: &str) -> String {
    let pki::Files { chain, key, roots } = files;
    format!(
        "common_tls_context: {{alpn_protocols: [{alpn}], tls_params: {{tls_maximum_protocol_version: TLSv1_3}},
        tls_certificates: [{{certificate_chain: {{filename: {}}}, private_key: {{filename: {}}}}}],
        validation_context: {{trusted_ca: {{filename: {}}}}}}}",
        chain.display(),
        key.display(),
        roots.display()
    )
}
