//! Type URLs of the messages that the proxy and the control plane name.

use crate::schema::MessageType;

/// The host that type URLs have by convention.
pub const HOST: &str = "type.googleapis.com";

/// The type URL of a message.
#[must_use]
pub fn of(message: MessageType) -> String {
    format!("{HOST}/{}", message.full_name())
}

macro_rules! type_urls {
    ($($constant:ident = $name:literal;)*) => {
        $(
            #[doc = concat!("Type URL of `", $name, "`.")]
            pub const $constant: &str = concat!("type.googleapis.com/", $name);
        )*

        /// All type URLs of this page.
        pub const ALL: &[&str] = &[$($constant),*];
    };
}

type_urls! {
    // Resources of discovery.
    LISTENER = "envoy.config.listener.v3.Listener";
    ROUTE_CONFIGURATION = "envoy.config.route.v3.RouteConfiguration";
    SCOPED_ROUTE_CONFIGURATION = "envoy.config.route.v3.ScopedRouteConfiguration";
    VIRTUAL_HOST = "envoy.config.route.v3.VirtualHost";
    CLUSTER = "envoy.config.cluster.v3.Cluster";
    CLUSTER_LOAD_ASSIGNMENT = "envoy.config.endpoint.v3.ClusterLoadAssignment";
    SECRET = "envoy.extensions.transport_sockets.tls.v3.Secret";
    EXTENSION_CONFIG = "envoy.config.core.v3.TypedExtensionConfig";
    RUNTIME = "envoy.service.runtime.v3.Runtime";
    BOOTSTRAP = "envoy.config.bootstrap.v3.Bootstrap";

    // Configuration in another type's stead.
    TYPED_STRUCT = "xds.type.v3.TypedStruct";
    UDPA_TYPED_STRUCT = "udpa.type.v1.TypedStruct";

    // Listener filters.
    TLS_INSPECTOR = "envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector";
    HTTP_INSPECTOR = "envoy.extensions.filters.listener.http_inspector.v3.HttpInspector";
    ORIGINAL_DST = "envoy.extensions.filters.listener.original_dst.v3.OriginalDst";
    ORIGINAL_SRC = "envoy.extensions.filters.listener.original_src.v3.OriginalSrc";
    PROXY_PROTOCOL = "envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol";

    // Network filters.
    HTTP_CONNECTION_MANAGER =
        "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
    TCP_PROXY = "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy";
    NETWORK_RBAC = "envoy.extensions.filters.network.rbac.v3.RBAC";
    NETWORK_LOCAL_RATE_LIMIT = "envoy.extensions.filters.network.local_ratelimit.v3.LocalRateLimit";
    NETWORK_CONNECTION_LIMIT = "envoy.extensions.filters.network.connection_limit.v3.ConnectionLimit";
    NETWORK_DIRECT_RESPONSE = "envoy.extensions.filters.network.direct_response.v3.Config";
    NETWORK_ECHO = "envoy.extensions.filters.network.echo.v3.Echo";
    NETWORK_EXT_AUTHZ = "envoy.extensions.filters.network.ext_authz.v3.ExtAuthz";
    NETWORK_SET_FILTER_STATE = "envoy.extensions.filters.network.set_filter_state.v3.Config";
    SNI_CLUSTER = "envoy.extensions.filters.network.sni_cluster.v3.SniCluster";
    SNI_DYNAMIC_FORWARD_PROXY =
        "envoy.extensions.filters.network.sni_dynamic_forward_proxy.v3.FilterConfig";

    // HTTP filters.
    ROUTER = "envoy.extensions.filters.http.router.v3.Router";
    FAULT = "envoy.extensions.filters.http.fault.v3.HTTPFault";
    CORS = "envoy.extensions.filters.http.cors.v3.Cors";
    CORS_POLICY = "envoy.extensions.filters.http.cors.v3.CorsPolicy";
    RBAC = "envoy.extensions.filters.http.rbac.v3.RBAC";
    RBAC_PER_ROUTE = "envoy.extensions.filters.http.rbac.v3.RBACPerRoute";
    HEADER_MUTATION = "envoy.extensions.filters.http.header_mutation.v3.HeaderMutation";
    HEADER_MUTATION_PER_ROUTE = "envoy.extensions.filters.http.header_mutation.v3.HeaderMutationPerRoute";
    SET_FILTER_STATE = "envoy.extensions.filters.http.set_filter_state.v3.Config";
    LUA = "envoy.extensions.filters.http.lua.v3.Lua";
    LUA_PER_ROUTE = "envoy.extensions.filters.http.lua.v3.LuaPerRoute";
    EXT_AUTHZ = "envoy.extensions.filters.http.ext_authz.v3.ExtAuthz";
    EXT_AUTHZ_PER_ROUTE = "envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute";
    EXT_PROC = "envoy.extensions.filters.http.ext_proc.v3.ExternalProcessor";
    EXT_PROC_PER_ROUTE = "envoy.extensions.filters.http.ext_proc.v3.ExtProcPerRoute";
    JWT_AUTHN = "envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication";
    JWT_AUTHN_PER_ROUTE = "envoy.extensions.filters.http.jwt_authn.v3.PerRouteConfig";
    LOCAL_RATE_LIMIT = "envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit";
    RATE_LIMIT = "envoy.extensions.filters.http.ratelimit.v3.RateLimit";
    RATE_LIMIT_PER_ROUTE = "envoy.extensions.filters.http.ratelimit.v3.RateLimitPerRoute";
    HEALTH_CHECK = "envoy.extensions.filters.http.health_check.v3.HealthCheck";
    GRPC_STATS = "envoy.extensions.filters.http.grpc_stats.v3.FilterConfig";
    GRPC_WEB = "envoy.extensions.filters.http.grpc_web.v3.GrpcWeb";
    STATEFUL_SESSION = "envoy.extensions.filters.http.stateful_session.v3.StatefulSession";
    STATEFUL_SESSION_PER_ROUTE = "envoy.extensions.filters.http.stateful_session.v3.StatefulSessionPerRoute";
    BUFFER = "envoy.extensions.filters.http.buffer.v3.Buffer";
    BUFFER_PER_ROUTE = "envoy.extensions.filters.http.buffer.v3.BufferPerRoute";
    COMPRESSOR = "envoy.extensions.filters.http.compressor.v3.Compressor";
    ON_DEMAND = "envoy.extensions.filters.http.on_demand.v3.OnDemand";
    WASM = "envoy.extensions.filters.http.wasm.v3.Wasm";
    HTTP_COMPOSITE = "envoy.extensions.filters.http.composite.v3.Composite";

    // Istio's extensions.
    ISTIO_PEER_METADATA = "io.istio.http.peer_metadata.Config";
    ISTIO_STATS = "stats.PluginConfig";
    ISTIO_ALPN = "istio.envoy.config.filter.http.alpn.v2alpha1.FilterConfig";
    ISTIO_METADATA_EXCHANGE = "envoy.tcp.metadataexchange.config.MetadataExchange";

    // Per-route wrapper for any HTTP filter.
    ROUTE_FILTER_CONFIG = "envoy.config.route.v3.FilterConfig";

    // Transport sockets.
    DOWNSTREAM_TLS = "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext";
    UPSTREAM_TLS = "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext";
    RAW_BUFFER = "envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer";
    INTERNAL_UPSTREAM = "envoy.extensions.transport_sockets.internal_upstream.v3.InternalUpstreamTransport";
    HTTP_11_PROXY = "envoy.extensions.transport_sockets.http_11_proxy.v3.Http11ProxyUpstreamTransport";
    UPSTREAM_PROXY_PROTOCOL =
        "envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport";

    // Upstreams and balancing.
    HTTP_PROTOCOL_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
    TCP_PROTOCOL_OPTIONS = "envoy.extensions.upstreams.tcp.v3.TcpProtocolOptions";
    ROUND_ROBIN = "envoy.extensions.load_balancing_policies.round_robin.v3.RoundRobin";
    LEAST_REQUEST = "envoy.extensions.load_balancing_policies.least_request.v3.LeastRequest";
    RANDOM = "envoy.extensions.load_balancing_policies.random.v3.Random";
    RING_HASH = "envoy.extensions.load_balancing_policies.ring_hash.v3.RingHash";
    MAGLEV = "envoy.extensions.load_balancing_policies.maglev.v3.Maglev";
    SUBSET = "envoy.extensions.load_balancing_policies.subset.v3.Subset";
    CLUSTER_PROVIDED = "envoy.extensions.load_balancing_policies.cluster_provided.v3.ClusterProvided";
    PREVIOUS_HOSTS = "envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate";
    OMIT_CANARY_HOSTS = "envoy.extensions.retry.host.omit_canary_hosts.v3.OmitCanaryHostsPredicate";
    PREVIOUS_PRIORITIES = "envoy.extensions.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig";
    DNS_CLUSTER = "envoy.extensions.clusters.dns.v3.DnsCluster";

    // Access logs, tracing, request identity, header form, paths.
    FILE_ACCESS_LOG = "envoy.extensions.access_loggers.file.v3.FileAccessLog";
    STDOUT_ACCESS_LOG = "envoy.extensions.access_loggers.stream.v3.StdoutAccessLog";
    STDERR_ACCESS_LOG = "envoy.extensions.access_loggers.stream.v3.StderrAccessLog";
    HTTP_GRPC_ACCESS_LOG = "envoy.extensions.access_loggers.grpc.v3.HttpGrpcAccessLogConfig";
    TCP_GRPC_ACCESS_LOG = "envoy.extensions.access_loggers.grpc.v3.TcpGrpcAccessLogConfig";
    OPEN_TELEMETRY_ACCESS_LOG =
        "envoy.extensions.access_loggers.open_telemetry.v3.OpenTelemetryAccessLogConfig";
    REQ_WITHOUT_QUERY = "envoy.extensions.formatter.req_without_query.v3.ReqWithoutQuery";
    METADATA_FORMATTER = "envoy.extensions.formatter.metadata.v3.Metadata";
    CEL_FORMATTER = "envoy.extensions.formatter.cel.v3.Cel";
    OPEN_TELEMETRY_TRACER = "envoy.config.trace.v3.OpenTelemetryConfig";
    ZIPKIN_TRACER = "envoy.config.trace.v3.ZipkinConfig";
    UUID_REQUEST_ID = "envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig";
    PRESERVE_CASE = "envoy.extensions.http.header_formatters.preserve_case.v3.PreserveCaseFormatterConfig";
    URI_TEMPLATE_MATCH = "envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig";
    URI_TEMPLATE_REWRITE = "envoy.extensions.path.rewrite.uri_template.v3.UriTemplateRewriteConfig";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_url_names_a_message_of_the_schema() {
        for type_url in ALL {
            assert!(MessageType::find_url(type_url).is_some(), "{type_url}");
        }
    }
}
