//! What Istio's control plane sends beyond the goldens, a field or a filter at a time, in words of our own.

use weft_proto::envoy::config::endpoint::v3::ClusterLoadAssignment;
use weft_proto::envoy::config::route::v3::RouteConfiguration;
use weft_proto::resource::Resource;
use weft_proto::text::parse_yaml;

use Expected::{Carried, Ignored, Refused};

use crate::control::{self, listener_yaml};
use crate::golden::own_address;

/// What becomes of a resource; paths are those of the field's findings.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Expected {
    /// In force, without a word.
    Carried,
    /// In force, and this field is named as one without effect.
    Ignored(&'static str),
    /// Not in force, and the refusal names this field.
    Refused(&'static str),
}

/// One resource, and what it needs beside it.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) kind: &'static str,
    pub(crate) resources: Vec<Resource>,
    pub(crate) expected: Expected,
}

/// What the admin page calls resources of a kind.
pub(crate) fn page_name(kind: &str) -> &'static str {
    match kind {
        "Listener" => "listeners",
        "Cluster" => "clusters",
        "RouteConfiguration" => "routes",
        _ => "endpoints",
    }
}

type Row = (&'static str, &'static str, Expected);

/// Fields of a cluster.
const CLUSTERS: &[Row] = &[
    (
        "transport sockets by tlsMode",
        "transport_socket_matches: [{name: tlsMode-istio, match: {tlsMode: istio}, transport_socket: {name: tls, \
         typed_config: {'@type': type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext, \
         sni: outbound_.80_._.a.default.svc.cluster.local, common_tls_context: {alpn_protocols: [istio-peer-exchange, \
         istio], tls_params: {tls_minimum_protocol_version: TLSv1_2, tls_maximum_protocol_version: TLSv1_3}, \
         tls_certificate_sds_secret_configs: [{name: default, sds_config: {api_config_source: {api_type: GRPC, \
         transport_api_version: V3, set_node_on_first_message_only: true, grpc_services: [{envoy_grpc: {cluster_name: \
         sds-grpc}}]}, initial_fetch_timeout: 0s, resource_api_version: V3}}], combined_validation_context: \
         {default_validation_context: {match_typed_subject_alt_names: [{san_type: URI, matcher: {exact: \
         'spiffe://cluster.local/ns/default/sa/a'}}]}, validation_context_sds_secret_config: {name: ROOTCA, \
         sds_config: {api_config_source: {api_type: GRPC, transport_api_version: V3, grpc_services: [{envoy_grpc: \
         {cluster_name: sds-grpc}}]}, resource_api_version: V3}}}}}}}, {name: tlsMode-disabled, match: {}, \
         transport_socket: {name: raw, typed_config: {'@type': \
         type.googleapis.com/envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer}}}]",
        Ignored("alpn_protocols[0]"),
    ),
    ("locality weights", "common_lb_config: {locality_weighted_lb_config: {}}", Carried),
    ("no panic", "common_lb_config: {healthy_panic_threshold: {value: 0}}", Carried),
    ("auto SNI", "upstream_http_protocol_options: {auto_sni: true, auto_san_validation: true}", Carried),
    (
        "protocol as downstream",
        "typed_extension_protocol_options: {envoy.extensions.upstreams.http.v3.HttpProtocolOptions: {'@type': \
         type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions, use_downstream_protocol_config: \
         {http_protocol_options: {}, http2_protocol_options: {max_concurrent_streams: 100}}, \
         common_http_protocol_options: {idle_timeout: 60s, max_requests_per_connection: 5}}}",
        Carried,
    ),
    (
        "letters of header names",
        "typed_extension_protocol_options: {envoy.extensions.upstreams.http.v3.HttpProtocolOptions: {'@type': \
         type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions, explicit_http_config: \
         {http_protocol_options: {header_key_format: {stateful_formatter: {name: preserve_case, typed_config: {'@type': \
         type.googleapis.com/envoy.extensions.http.header_formatters.preserve_case.v3.PreserveCaseFormatterConfig}}}}}}}",
        Carried,
    ),
    (
        "counted time",
        "track_cluster_stats: {timeout_budgets: true, request_response_sizes: true}",
        Ignored("track_cluster_stats"),
    ),
    ("a limit of buffers", "per_connection_buffer_limit_bytes: 32768", Carried),
    ("keepalive", "upstream_connection_options: {tcp_keepalive: {keepalive_time: 60}}", Carried),
    (
        "source address",
        "upstream_bind_config: {source_address: {address: 127.0.0.6, port_value: 0}}",
        Carried,
    ),
    ("a name for counters", "alt_stat_name: 'outbound|80||a;'", Carried),
    (
        "thresholds",
        "circuit_breakers: {thresholds: [{max_connections: 4294967295, max_pending_requests: 4294967295, \
         max_requests: 4294967295, max_retries: 4294967295, track_remaining: true}]}",
        Carried,
    ),
    (
        "thresholds of each host",
        "circuit_breakers: {per_host_thresholds: [{max_connections: 1}]}",
        Refused("per_host_thresholds"),
    ),
    (
        "peers over TCP",
        "filters: [{name: istio.metadata_exchange, typed_config: {'@type': \
         type.googleapis.com/udpa.type.v1.TypedStruct, type_url: \
         type.googleapis.com/envoy.tcp.metadataexchange.config.MetadataExchange, value: {enable_discovery: true, \
         protocol: istio-peer-exchange}}}]",
        Ignored("filters[0]"),
    ),
    (
        "what it serves",
        "metadata: {filter_metadata: {istio: {config: /apis/networking.istio.io/v1/a, services: [{host: a, name: a, \
         namespace: default}], default_original_port: 80}}}",
        Carried,
    ),
    (
        "a policy as extension",
        "load_balancing_policy: {policies: [{typed_extension_config: {name: least, typed_config: {'@type': \
         type.googleapis.com/envoy.extensions.load_balancing_policies.least_request.v3.LeastRequest, \
         locality_lb_config: {locality_weighted_lb_config: {}}}}}]}",
        Carried,
    ),
    ("what is reported", "lrs_server: {self: {}}", Ignored("lrs_server")),
    (
        "ready connections",
        "preconnect_policy: {per_upstream_preconnect_ratio: 2}",
        Ignored("preconnect_policy"),
    ),
];

/// Fields of an endpoint.
const ENDPOINTS: &[Row] = &[
    ("unhealthy", "health_status: UNHEALTHY", Carried),
    ("draining", "health_status: DRAINING, load_balancing_weight: 1", Carried),
    ("degraded", "health_status: DEGRADED", Carried),
    ("too late", "health_status: TIMEOUT", Carried),
    (
        "who it is",
        "metadata: {filter_metadata: {envoy.transport_socket_match: {tlsMode: istio}, istio: {workload: \
         'a-v1;default;a;v1;Kubernetes'}}}",
        Carried,
    ),
];

/// Fields of a listener.
const LISTENERS: &[Row] = &[
    ("a socket for each worker", "enable_reuse_port: true", Carried),
    (
        "as many as there are",
        "max_connections_to_accept_per_socket_event: 1",
        Ignored("max_connections_to_accept_per_socket_event"),
    ),
    ("spread evenly", "connection_balance_config: {exact_balance: {}}", Ignored("connection_balance_config")),
    (
        "its limits",
        "per_connection_buffer_limit_bytes: 32768, tcp_backlog_size: 100, transparent: false",
        Carried,
    ),
    (
        "a log to a service",
        "access_log: [{name: als, typed_config: {'@type': \
         type.googleapis.com/envoy.extensions.access_loggers.grpc.v3.TcpGrpcAccessLogConfig, common_config: {log_name: \
         l, transport_api_version: V3, grpc_service: {envoy_grpc: {cluster_name: als}}}}}]",
        Ignored("access_log[0].typed_config"),
    ),
    (
        "source address kept",
        "listener_filters: [{name: original_src, typed_config: {'@type': \
         type.googleapis.com/envoy.extensions.filters.listener.original_src.v3.OriginalSrc, mark: 1337}}]",
        Refused("listener_filters[0].typed_config"),
    ),
    ("QUIC", "udp_listener_config: {quic_options: {}}", Refused("udp_listener_config")),
    ("options of sockets", "socket_options: [{level: 6, name: 23, int_value: 5}]", Refused("socket_options")),
];

/// Fields of a connection manager.
const MANAGERS: &[Row] = &[
    (
        "what every one has",
        "use_remote_address: false, forward_client_cert_details: APPEND_FORWARD, set_current_client_cert_details: \
         {subject: true, dns: true, uri: true}, stream_idle_timeout: 0s, normalize_path: true, server_name: \
         istio-envoy, path_with_escaped_slashes_action: KEEP_UNCHANGED, delayed_close_timeout: 1s, \
         preserve_external_request_id: true, always_set_request_id_in_response: true",
        Carried,
    ),
    (
        "Zipkin",
        "tracing: {client_sampling: {value: 100}, random_sampling: {value: 1}, overall_sampling: {value: 100}, \
         custom_tags: [{tag: istio.mesh_id, literal: {value: cluster.local}}], provider: {name: zipkin, typed_config: \
         {'@type': type.googleapis.com/envoy.config.trace.v3.ZipkinConfig, collector_cluster: zipkin, \
         collector_endpoint: /api/v2/spans, collector_endpoint_version: HTTP_JSON}}}",
        Ignored("tracing"),
    ),
    (
        "OpenTelemetry",
        "tracing: {provider: {name: otel, typed_config: {'@type': \
         type.googleapis.com/envoy.config.trace.v3.OpenTelemetryConfig, service_name: a, grpc_service: {envoy_grpc: \
         {cluster_name: otel}}}}}",
        Ignored("tracing"),
    ),
    (
        "request ids",
        "request_id_extension: {typed_config: {'@type': \
         type.googleapis.com/envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig, use_request_id_for_trace_sampling: \
         true}}",
        Carried,
    ),
    (
        "own networks",
        "internal_address_config: {cidr_ranges: [{address_prefix: 10.0.0.0, prefix_len: 8}]}",
        Carried,
    ),
    ("100 passed on", "proxy_100_continue: true", Carried),
    ("a scheme", "scheme_header_transformation: {scheme_to_overwrite: https}", Carried),
    (
        "the endpoint's scheme",
        "scheme_header_transformation: {match_upstream: true}",
        Refused("scheme_header_transformation.match_upstream"),
    ),
    (
        "letters of names",
        "http_protocol_options: {accept_http_10: true, header_key_format: {stateful_formatter: {name: preserve_case, \
         typed_config: {'@type': \
         type.googleapis.com/envoy.extensions.http.header_formatters.preserve_case.v3.PreserveCaseFormatterConfig}}}}",
        Carried,
    ),
    (
        "a log by OpenTelemetry",
        "access_log: [{name: otel, typed_config: {'@type': \
         type.googleapis.com/envoy.extensions.access_loggers.open_telemetry.v3.OpenTelemetryAccessLogConfig, \
         common_config: {log_name: l, transport_api_version: V3, grpc_service: {envoy_grpc: {cluster_name: otel}}}}}]",
        Ignored("access_log[0].typed_config"),
    ),
];

/// HTTP filters.
const HTTP_FILTERS: &[Row] = &[
    (
        "gRPC counted",
        "typed_config: {'@type': type.googleapis.com/envoy.extensions.filters.http.grpc_stats.v3.FilterConfig, \
         emit_filter_state: true, stats_for_all_methods: false}",
        Ignored("emit_filter_state"),
    ),
    (
        "peers by discovery",
        "typed_config: {'@type': type.googleapis.com/udpa.type.v1.TypedStruct, type_url: \
         type.googleapis.com/io.istio.http.peer_metadata.Config, value: {downstream_discovery: [{istio_headers: {}}, \
         {workload_discovery: {}}], downstream_propagation: [{istio_headers: {}}], shared_with_upstream: true}}",
        Ignored("downstream_discovery[1].workload_discovery"),
    ),
    (
        "labels by expression",
        "typed_config: {'@type': type.googleapis.com/udpa.type.v1.TypedStruct, type_url: \
         type.googleapis.com/stats.PluginConfig, value: {disable_host_header_fallback: true, tcp_reporting_duration: \
         15s, metrics: [{name: requests_total, dimensions: {host: request.host}, tags_to_remove: [source_app]}]}}",
        Ignored("dimensions[\"host\"]"),
    ),
    (
        "protocols toward endpoints",
        "typed_config: {'@type': type.googleapis.com/envoy.extensions.filters.http.set_filter_state.v3.Config, \
         on_request_headers: [{object_key: envoy.network.application_protocols, shared_with_upstream: ONCE, \
         format_string: {text_format_source: {inline_string: 'istio,h2'}}}]}",
        Carried,
    ),
    (
        "no faults yet",
        "typed_config: {'@type': type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault}",
        Carried,
    ),
    (
        "no origins yet",
        "typed_config: {'@type': type.googleapis.com/envoy.extensions.filters.http.cors.v3.Cors}",
        Carried,
    ),
    (
        "authentication as it was",
        "typed_config: {'@type': type.googleapis.com/udpa.type.v1.TypedStruct, type_url: \
         type.googleapis.com/istio.envoy.config.filter.http.authn.v2alpha1.FilterConfig, value: {policy: {peers: [{mtls: \
         {}}]}}}",
        Refused("http_filters[0].typed_config"),
    ),
    (
        "tokens",
        "typed_config: {'@type': type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication}",
        Refused("http_filters[0].typed_config"),
    ),
    (
        "a question elsewhere",
        "typed_config: {'@type': type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz}",
        Refused("http_filters[0].typed_config"),
    ),
    (
        "a filter that may be missing",
        "is_optional: true, typed_config: {'@type': type.googleapis.com/udpa.type.v1.TypedStruct, type_url: \
         type.googleapis.com/nobody.knows.Config}",
        Ignored("http_filters[0].typed_config"),
    ),
    (
        "a filter that comes by itself",
        "config_discovery: {config_source: {ads: {}, resource_api_version: V3}, type_urls: \
         [type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC], apply_default_config_without_warming: true, \
         default_config: {'@type': type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC}}",
        Refused("http_filters[0].config_discovery"),
    ),
];

/// Network filters before a TCP proxy.
const NETWORK_FILTERS: &[Row] = &[
    (
        "peers over TCP",
        "{'@type': type.googleapis.com/udpa.type.v1.TypedStruct, type_url: \
         type.googleapis.com/envoy.tcp.metadataexchange.config.MetadataExchange, value: {protocol: istio-peer-exchange}}",
        Ignored("filters[0].typed_config"),
    ),
    (
        "bytes counted",
        "{'@type': type.googleapis.com/udpa.type.v1.TypedStruct, type_url: type.googleapis.com/stats.PluginConfig}",
        Carried,
    ),
    (
        "principals",
        "{'@type': type.googleapis.com/udpa.type.v1.TypedStruct, type_url: \
         type.googleapis.com/io.istio.network.authn.Config, value: {shared: true}}",
        Carried,
    ),
    (
        "principals by hand",
        "{'@type': type.googleapis.com/envoy.extensions.filters.network.set_filter_state.v3.Config, on_new_connection: \
         [{object_key: io.istio.peer_principal, format_string: {text_format_source: {inline_string: \
         '%DOWNSTREAM_PEER_URI_SAN%'}}}]}",
        Refused("on_new_connection[0].format_string"),
    ),
    (
        "Mongo counted",
        "{'@type': type.googleapis.com/envoy.extensions.filters.network.mongo_proxy.v3.MongoProxy, stat_prefix: m}",
        Ignored("filters[0].typed_config"),
    ),
    (
        "Mongo delayed",
        "{'@type': type.googleapis.com/envoy.extensions.filters.network.mongo_proxy.v3.MongoProxy, stat_prefix: m, \
         delay: {fixed_delay: 1s, percentage: {numerator: 1}}}",
        Refused("filters[0].typed_config.delay"),
    ),
];

/// Fields of a TCP proxy.
const TCP_PROXIES: &[Row] = &[
    ("clusters on demand", "on_demand: {}", Refused("on_demand")),
    ("a tunnel", "tunneling_config: {hostname: a}", Refused("tunneling_config")),
    (
        "its times",
        "idle_timeout: 0s, max_downstream_connection_duration: 3600s, hash_policy: [{source_ip: {}}]",
        Carried,
    ),
];

/// Fields of a route configuration.
const ROUTES: &[Row] = &[
    (
        "as they all are",
        "validate_clusters: false, ignore_port_in_host_matching: true, max_direct_response_body_size_bytes: 1048576",
        Carried,
    ),
    ("hosts on demand", "vhds: {config_source: {ads: {}, resource_api_version: V3}}", Refused("vhds")),
];

/// Fields of a route.
const ROUTE: &[Row] = &[
    (
        "retries",
        "decorator: {operation: 'a:80/*'}, route: {cluster: a, timeout: 0s, max_grpc_timeout: 0s, max_stream_duration: \
         {max_stream_duration: 0s, grpc_timeout_header_max: 0s}, retry_policy: {retry_on: \
         'connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes', num_retries: 2, \
         retriable_status_codes: [503], host_selection_retry_max_attempts: 5, retry_host_predicate: [{name: \
         previous_hosts, typed_config: {'@type': \
         type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate}}]}}",
        Ignored("decorator"),
    ),
    (
        "its object",
        "name: r, metadata: {filter_metadata: {istio: {config: /apis/networking.istio.io/v1/a}}}, route: {cluster: a, \
         hash_policy: [{cookie: {name: user, ttl: 0s}, terminal: true}], request_mirror_policies: [{cluster: a, \
         runtime_fraction: {default_value: {numerator: 10}}, disable_shadow_host_suffix_append: true}]}",
        Carried,
    ),
    (
        "limits elsewhere",
        "route: {cluster: a, rate_limits: [{actions: [{remote_address: {}}]}]}",
        Ignored("rate_limits"),
    ),
    (
        "a cluster by plugin",
        "route: {inline_cluster_specifier_plugin: {extension: {name: p, typed_config: {'@type': \
         type.googleapis.com/google.protobuf.Struct}}}}",
        Refused("inline_cluster_specifier_plugin"),
    ),
    (
        "a filter of the route that may be missing",
        "route: {cluster: a}, typed_per_filter_config: {x: {'@type': \
         type.googleapis.com/envoy.config.route.v3.FilterConfig, is_optional: true, config: {'@type': \
         type.googleapis.com/udpa.type.v1.TypedStruct, type_url: type.googleapis.com/nobody.knows.Config}}}",
        Ignored("typed_per_filter_config[\"x\"].config"),
    ),
];

/// What Istio's bootstrap has, and no other.
pub(crate) const BOOTSTRAP: &str = "
bootstrap_extensions:
- { name: 'envoy.bootstrap.internal_listener', typed_config: { '@type': 'type.googleapis.com/udpa.type.v1.TypedStruct', type_url: 'type.googleapis.com/envoy.extensions.bootstrap.internal_listener.v3.InternalListener' } }
- { name: 'workload_discovery', typed_config: { '@type': 'type.googleapis.com/udpa.type.v1.TypedStruct', type_url: 'type.googleapis.com/istio.workload.BootstrapExtension', value: { config_source: { ads: {}, resource_api_version: V3 } } } }
layered_runtime: { layers: [ { name: global, static_layer: { re2.max_program_size.error_level: 32768 } }, { name: admin, admin_layer: {} } ] }
stats_config: { use_all_default_tags: false, stats_tags: [ { tag_name: cluster_name, regex: '^cluster\\.((.+?(\\..+?\\.svc\\.cluster\\.local)?)\\.)' } ] }
";

/// All of them, each named by its table and row.
pub(crate) fn all() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut table = |kind: &'static str, what: &str, rows: &[Row], make: fn(&str, &str) -> Vec<Resource>| {
        for (name, yaml, expected) in rows {
            let name = format!("{what} {name}");
            let resources = make(&name, yaml);
            cases.push(Case { name, kind, resources, expected: *expected });
        }
    };
    table("Cluster", "cluster", CLUSTERS, |name, yaml| {
        vec![control::cluster(name, &format!(", {yaml}")), endpoints_of(name, "")]
    });
    table("ClusterLoadAssignment", "endpoint", ENDPOINTS, |name, yaml| {
        vec![control::cluster(name, ""), endpoints_of(name, yaml)]
    });
    table("Listener", "listener", LISTENERS, |name, yaml| listener(name, yaml, &manager("", "")));
    table("Listener", "manager", MANAGERS, |name, yaml| listener(name, "", &manager(yaml, "")));
    table("Listener", "http filter", HTTP_FILTERS, |name, yaml| listener(name, "", &manager("", yaml)));
    table("Listener", "network filter", NETWORK_FILTERS, |name, yaml| {
        listener(name, "", &format!("{{name: f, typed_config: {yaml}}}, {}", tcp_proxy("")))
    });
    table("Listener", "tcp proxy", TCP_PROXIES, |name, yaml| listener(name, "", &tcp_proxy(yaml)));
    table("RouteConfiguration", "routes", ROUTES, |name, yaml| routes(name, yaml, "route: {cluster: a}"));
    table("RouteConfiguration", "route", ROUTE, |name, yaml| routes(name, "", yaml));
    cases
}

fn endpoints_of(name: &str, fields: &str) -> Resource {
    let endpoint = "endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: 1}}}";
    let yaml = format!(
        "{{cluster_name: {name}, endpoints: [{{locality: {{region: r, zone: z}}, priority: 0, \
         load_balancing_weight: 1, lb_endpoints: [{{{endpoint}, {fields}}}]}}], \
         policy: {{overprovisioning_factor: 140}}}}"
    );
    Resource::pack(name, &parse_yaml::<ClusterLoadAssignment>(&yaml).accepted().unwrap())
}

fn listener(name: &str, fields: &str, filters: &str) -> Vec<Resource> {
    let address = own_address();
    let yaml = format!(
        "{{name: {name}, address: {{socket_address: {{address: {address}, port_value: 15001}}}}, \
         filter_chains: [{{filters: [{filters}]}}], {fields}}}"
    );
    vec![listener_yaml(name, &yaml)]
}

fn manager(fields: &str, filter: &str) -> String {
    let filter = if filter.is_empty() { String::new() } else { format!("{{name: f, {filter}}}, ") };
    format!(
        "{{name: hcm, typed_config: {{'@type': type.googleapis.com/envoy.extensions.filters.network.\
         http_connection_manager.v3.HttpConnectionManager, stat_prefix: s, {fields}{} \
         route_config: {{virtual_hosts: [{{name: v, domains: ['*'], routes: \
         [{{match: {{prefix: /}}, route: {{cluster: a}}}}]}}]}}, \
         http_filters: [{filter}{{name: router, typed_config: \
         {{'@type': type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}}}]}}}}",
        if fields.is_empty() { "" } else { "," }
    )
}

fn tcp_proxy(fields: &str) -> String {
    format!(
        "{{name: tcp, typed_config: {{'@type': type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.\
         TcpProxy, stat_prefix: s, cluster: a, {fields}}}}}"
    )
}

/// Routes, and a listener that asks for them.
fn routes(name: &str, fields: &str, route: &str) -> Vec<Resource> {
    let yaml = format!(
        "{{name: {name}, virtual_hosts: [{{name: v, domains: ['*'], include_request_attempt_count: true, \
         routes: [{{match: {{prefix: /}}, {route}}}]}}], {fields}}}"
    );
    let routes = Resource::pack(name, &parse_yaml::<RouteConfiguration>(&yaml).accepted().unwrap());
    let mut resources = listener(&format!("for {name}"), "", &control::manager(name));
    resources.push(routes);
    resources
}
