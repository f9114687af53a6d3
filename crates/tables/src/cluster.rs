//! Clusters and their endpoints.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use weft_types::{FractionalPercent, Name, Provenance};

use crate::address::SocketAddress;
use crate::tls::ClientTls;

/// A cluster (`envoy.config.cluster.v3.Cluster`).
#[derive(Debug)]
pub struct Cluster {
    /// Name.
    pub name: Name,
    /// Name in counters (`alt_stat_name`, else the name).
    pub stat_name: Name,
    /// How endpoints become known.
    pub discovery: Discovery,
    /// How long its endpoints and secrets are waited for before it is in force without them
    /// (`initial_fetch_timeout` of their sources, the longest; default 15 s; `None`: for ever).
    pub fetch_timeout: Option<Duration>,
    /// Time to connect, TLS included (default 5 s; `connect_timeout`).
    pub connect_timeout: Duration,
    /// Balancing.
    pub balancing: Balancing,
    /// Circuit breakers, default priority.
    pub breakers: Breakers,
    /// Circuit breakers, high priority.
    pub breakers_high: Breakers,
    /// Outlier detection; `None`: off.
    pub outlier: Option<OutlierDetection>,
    /// Active health check (`health_checks`, of which Envoy allows one); `None`: hosts are taken as
    /// healthy.
    pub health_check: Option<HealthCheck>,
    /// Transport of endpoints that no entry of `transport_matches` takes.
    pub transport: Transport,
    /// Transport by endpoint metadata; the first whose pairs the endpoint has wins
    /// (`transport_socket_matches`, SD-11).
    pub transport_matches: Vec<TransportMatch>,
    /// HTTP toward endpoints.
    pub http: UpstreamHttp,
    /// Idle time of pooled connections (default 1 h; `None`: no limit).
    pub idle_timeout: Option<Duration>,
    /// Most requests on one connection; 0: no limit.
    pub max_requests_per_connection: u32,
    /// Longest life of a connection; `None`: no limit.
    pub max_connection_duration: Option<Duration>,
    /// TCP keepalive.
    pub keepalive: Option<Keepalive>,
    /// Source address to bind (`upstream_bind_config`).
    pub bind: Option<std::net::SocketAddr>,
    /// Buffer limit of a connection, bytes (default 1 MiB).
    pub buffer_limit: u32,
    /// Share of healthy hosts below which all hosts are used (percent, default 50).
    pub panic_threshold: f64,
    /// Under that share fail instead of using all hosts (`fail_traffic_on_panic`).
    pub fail_on_panic: bool,
    /// Close connections of TCP proxies to hosts that fail their health check
    /// (`close_connections_on_host_health_failure`); those of HTTP drain in any case.
    pub close_on_unhealthy: bool,
    /// Text of `metadata`, as names and values used by stats and logs (`istio` service lists …).
    pub metadata: Metadata,
    /// Object behind it.
    pub provenance: Option<Arc<Provenance>>,
}

/// Untyped metadata: filter name → JSON text of its struct. Small and rarely read.
pub type Metadata = BTreeMap<Box<str>, Arc<MetadataValue>>;

/// A value of `google.protobuf.Struct`.
#[derive(Clone, Debug, PartialEq)]
pub enum MetadataValue {
    /// null
    Null,
    /// true or false
    Bool(bool),
    /// number
    Number(f64),
    /// string
    String(Box<str>),
    /// list
    List(Vec<MetadataValue>),
    /// struct
    Struct(BTreeMap<Box<str>, MetadataValue>),
}

/// How endpoints become known.
#[derive(Clone, Debug)]
pub enum Discovery {
    /// Listed in the cluster.
    Static(Arc<Endpoints>),
    /// Delivered by EDS under this name.
    Eds(Name),
    /// Each name is resolved; all its addresses are endpoints.
    StrictDns(Dns),
    /// One name is resolved; a new connection goes to the current first address.
    LogicalDns(Dns),
    /// The connection's original destination.
    OriginalDst {
        /// Take the address from this header instead (`use_http_header`).
        header: Option<Box<str>>,
        /// Use this port instead (`upstream_port_override`).
        port: Option<u16>,
    },
}

/// Resolution of names.
#[derive(Clone, Debug)]
pub struct Dns {
    /// Endpoints whose addresses are names.
    pub endpoints: Arc<Endpoints>,
    /// Time between resolutions (default 5 s, and at most that where the life of records is to be
    /// respected, which the system's resolver does not tell).
    pub refresh: Duration,
    /// Families to use.
    pub family: DnsFamily,
}

/// `dns_lookup_family`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DnsFamily {
    /// IPv6 first, IPv4 when there is none.
    #[default]
    Auto,
    /// IPv4 only.
    V4Only,
    /// IPv6 only.
    V6Only,
    /// IPv4 first.
    V4Preferred,
    /// Both.
    All,
}

/// The endpoints of a cluster (`ClusterLoadAssignment`).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Endpoints {
    /// By locality and priority, in configured order.
    pub localities: Vec<LocalityEndpoints>,
    /// Factor by which healthy hosts may be fewer before load spills over (percent, default 140).
    pub overprovisioning: u32,
    /// Shares of requests to drop, by category.
    pub drop_overloads: Vec<(Box<str>, FractionalPercent)>,
}

/// Endpoints of one locality and priority.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LocalityEndpoints {
    /// Region, zone, sub-zone.
    pub locality: Locality,
    /// 0 is taken first.
    pub priority: u32,
    /// Weight among localities of the priority; `None`: not weighted.
    pub weight: Option<u32>,
    /// Endpoints.
    pub endpoints: Vec<Arc<Endpoint>>,
}

/// A locality.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Locality {
    /// Region.
    pub region: Box<str>,
    /// Zone.
    pub zone: Box<str>,
    /// Sub-zone.
    pub sub_zone: Box<str>,
}

/// One endpoint (`LbEndpoint`).
#[derive(Clone, Debug, PartialEq)]
pub struct Endpoint {
    /// Address.
    pub address: SocketAddress,
    /// Host name for `auto_host_sni` and host rewrite.
    pub hostname: Box<str>,
    /// Health that the control plane says.
    pub health: Health,
    /// Weight, at least 1 (default 1).
    pub weight: u32,
    /// Metadata for subsets and transport choice.
    pub metadata: Metadata,
}

/// Health that configuration or checks say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Health {
    /// Not said: taken as healthy.
    #[default]
    Unknown,
    /// Healthy.
    Healthy,
    /// Gets no traffic.
    Unhealthy,
    /// Gets no new traffic.
    Draining,
    /// A health check timed out: as unhealthy.
    Timeout,
    /// Used when healthy ones do not suffice.
    Degraded,
}

/// How a host is chosen.
#[derive(Clone, Debug)]
pub struct Balancing {
    /// Algorithm.
    pub policy: LbPolicy,
    /// Weigh localities by their weights (`locality_weighted_lb_config`).
    pub locality_weighted: bool,
    /// Subsets by endpoint metadata (`lb_subset_config`).
    pub subsets: Option<SubsetConfig>,
    /// Slow start window; `None`: off.
    pub slow_start: Option<SlowStart>,
}

/// Balancing algorithms.
#[derive(Clone, Debug, PartialEq)]
pub enum LbPolicy {
    /// Weighted round robin.
    RoundRobin,
    /// Power of N choices by active requests.
    LeastRequest {
        /// Hosts compared (default 2).
        choices: u32,
        /// Exponent of active requests in weights (default 1.0).
        active_request_bias: f64,
    },
    /// Uniform (weighted hosts are drawn by weight).
    Random,
    /// Ketama ring.
    RingHash {
        /// Least entries (default 1,024).
        min_size: u64,
        /// Most entries (default 8 Mi).
        max_size: u64,
        /// MurmurHash2 instead of xxHash.
        murmur: bool,
    },
    /// Maglev table of this size (default 65,537).
    Maglev(u64),
    /// Chosen by discovery (original destination).
    ClusterProvided,
}

/// Slow start (`SlowStartConfig`, DR-09).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SlowStart {
    /// Window.
    pub window: Duration,
    /// Aggression (default 1.0).
    pub aggression: f64,
    /// Least share of weight, percent (default 10).
    pub min_weight_percent: f64,
}

/// `lb_subset_config`.
#[derive(Clone, Debug, PartialEq)]
pub struct SubsetConfig {
    /// Keys of each selector.
    pub selectors: Vec<Vec<Box<str>>>,
    /// When no subset matches.
    pub fallback: SubsetFallback,
}

/// `LbSubsetFallbackPolicy`.
#[derive(Clone, Debug, PartialEq)]
pub enum SubsetFallback {
    /// Fail.
    None,
    /// Any endpoint.
    Any,
    /// Endpoints with these pairs.
    Default(BTreeMap<Box<str>, MetadataValue>),
}

/// Circuit breakers of one priority (`CircuitBreakers.Thresholds`).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Breakers {
    /// Connections (default 1,024).
    pub max_connections: u32,
    /// Requests waiting for a connection (default 1,024).
    pub max_pending_requests: u32,
    /// Requests at once (default 1,024).
    pub max_requests: u32,
    /// Retries at once (default 3), unless there is a budget.
    pub max_retries: u32,
    /// Retry budget: percent of active requests, and least concurrency.
    pub retry_budget: Option<(f64, u32)>,
    /// Report remaining room in gauges.
    pub track_remaining: bool,
}

impl Default for Breakers {
    fn default() -> Self {
        Self {
            max_connections: 1024,
            max_pending_requests: 1024,
            max_requests: 1024,
            max_retries: 3,
            retry_budget: None,
            track_remaining: false,
        }
    }
}

/// Outlier detection (`envoy.config.cluster.v3.OutlierDetection`, DR-12). Percentages 0–100.
#[derive(Clone, Debug, PartialEq)]
pub struct OutlierDetection {
    /// 5xx in a row (default 5; 0 is never).
    pub consecutive_5xx: u32,
    /// Share of 5xx detections that eject (default 100).
    pub enforcing_consecutive_5xx: u32,
    /// 502, 503, 504 in a row (default 5).
    pub consecutive_gateway_failure: u32,
    /// Share of those that eject (default 0).
    pub enforcing_consecutive_gateway_failure: u32,
    /// Local-origin failures in a row (default 5), when split.
    pub consecutive_local_origin_failure: u32,
    /// Share of those that eject (default 100).
    pub enforcing_consecutive_local_origin_failure: u32,
    /// Local-origin errors are counted apart (default false).
    pub split_external_local_origin_errors: bool,
    /// Time between sweeps (default 10 s).
    pub interval: Duration,
    /// Base of the time out (default 30 s), multiplied by the number of ejections.
    pub base_ejection_time: Duration,
    /// Longest time out (default 300 s, at least the base).
    pub max_ejection_time: Duration,
    /// Jitter added to it (default 0).
    pub max_ejection_time_jitter: Duration,
    /// Most of the hosts out at once (default 10); one host may always go unless `always_eject_one`
    /// is off… Envoy: at least one host is ejected regardless of this value.
    pub max_ejection_percent: u32,
    /// Eject one host even against the percentage (`always_eject_one_host`, default false).
    pub always_eject_one: bool,
    /// Success-rate ejection.
    pub success_rate: SuccessRate,
    /// Failure-percentage ejection.
    pub failure_percentage: FailurePercentage,
    /// A healthy active check brings a host back (default true).
    pub successful_check_uneject: bool,
}

/// Ejection by success rate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SuccessRate {
    /// Share that ejects (default 100).
    pub enforcing: u32,
    /// Share for local-origin (default 100).
    pub enforcing_local_origin: u32,
    /// Least hosts (default 5).
    pub minimum_hosts: u32,
    /// Least requests in an interval (default 100).
    pub request_volume: u32,
    /// Standard deviations × 1000 (default 1,900).
    pub stdev_factor: u32,
}

/// Ejection by failure percentage.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FailurePercentage {
    /// Percent of failures (default 85).
    pub threshold: u32,
    /// Share that ejects (default 0).
    pub enforcing: u32,
    /// Share for local-origin (default 0).
    pub enforcing_local_origin: u32,
    /// Least hosts (default 5).
    pub minimum_hosts: u32,
    /// Least requests (default 50).
    pub request_volume: u32,
}

/// An active health check.
#[derive(Clone, Debug, PartialEq)]
pub struct HealthCheck {
    /// Time for one check.
    pub timeout: Duration,
    /// Times between checks.
    pub intervals: CheckIntervals,
    /// Failures in a row that make unhealthy, where no answer says so at once; at least 1.
    pub unhealthy_threshold: u32,
    /// Successes in a row that make healthy, after the first check; at least 1.
    pub healthy_threshold: u32,
    /// Checks share a connection where they can (`reuse_connection`, default true).
    pub reuse_connection: bool,
    /// What is asked.
    pub probe: HealthProbe,
}

/// Times from the end of a check to the next one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CheckIntervals {
    /// Of healthy hosts (`interval`).
    pub healthy: Duration,
    /// Of unhealthy hosts (`unhealthy_interval`, default `interval`).
    pub unhealthy: Duration,
    /// Of healthy hosts that have begun to fail (`unhealthy_edge_interval`, default
    /// `unhealthy_interval`).
    pub unhealthy_edge: Duration,
    /// Of unhealthy hosts that have begun to pass (`healthy_edge_interval`, default `interval`).
    pub healthy_edge: Duration,
    /// As long as nobody has connected to the cluster (`no_traffic_interval`, default 60 s).
    pub no_traffic: Duration,
    /// The same for hosts that are healthy (`no_traffic_healthy_interval`, default as above).
    pub no_traffic_healthy: Duration,
    /// Before the first check, up to so much at random (`initial_jitter`).
    pub initial_jitter: Duration,
    /// Added to each time, up to so much at random (`interval_jitter`).
    pub jitter: Duration,
    /// Added to each time, up to so many percent of it at random (`interval_jitter_percent`).
    pub jitter_percent: u32,
}

/// What a health check asks.
#[derive(Clone, Debug, PartialEq)]
pub enum HealthProbe {
    /// A connection.
    Tcp {
        /// Bytes to send.
        send: Vec<u8>,
        /// Bytes that must come, in order.
        receive: Vec<Vec<u8>>,
    },
    /// An HTTP request.
    Http {
        /// By HTTP/2 (`codec_client_type`).
        http2: bool,
        /// Host; empty: the endpoint's name, else the cluster's.
        host: Box<str>,
        /// Path.
        path: Box<str>,
        /// Statuses that count as success (start..end), default 200 only.
        expected: Vec<(u16, u16)>,
        /// Other statuses that make unhealthy only when they come as often as the threshold says;
        /// the rest do at once (`retriable_statuses`).
        retriable: Vec<(u16, u16)>,
    },
    /// `grpc.health.v1.Health/Check`.
    Grpc {
        /// Service name; empty: the server as a whole.
        service: Box<str>,
        /// Authority; empty: the endpoint's name, else the cluster's.
        authority: Box<str>,
    },
}

impl HealthProbe {
    /// Whether it speaks gRPC.
    #[must_use]
    pub fn is_grpc(&self) -> bool {
        matches!(self, Self::Grpc { .. })
    }
}

/// The layers between a connection to an endpoint and its bytes, outermost last. Pool keys contain it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Transport {
    /// Layers from the wire up; empty: plain TCP.
    pub layers: Vec<TransportLayer>,
}

/// One layer of a transport.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum TransportLayer {
    /// TLS.
    Tls(Arc<ClientTls>),
    /// PROXY protocol header of that version (1 or 2).
    ProxyProtocol(u8),
    /// HBONE: opaque connections are streams of HTTP/2 CONNECT over mutual TLS to the endpoint's proxy.
    Hbone(Arc<Hbone>),
    /// A listener of this process.
    Internal,
}

impl TransportLayer {
    /// The TLS that an HTTP connection through this layer has.
    #[must_use]
    pub fn tls(&self) -> Option<&Arc<ClientTls>> {
        match self {
            Self::Tls(tls) => Some(tls),
            Self::Hbone(hbone) => Some(&hbone.direct),
            Self::ProxyProtocol(_) | Self::Internal => None,
        }
    }
}

/// How an endpoint's proxy takes HBONE (`weft.hbone.v1.Upstream`, AM-06).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Hbone {
    /// TLS of HBONE's connections: ALPN `h2` alone, no server name, so that all clusters whose endpoints
    /// must have the same identities share them.
    pub tls: Arc<ClientTls>,
    /// TLS of connections to the endpoint itself: HTTP's.
    pub direct: Arc<ClientTls>,
    /// Port at the endpoint's address (default 15008).
    pub port: u16,
    /// Streams on one connection at most (default 100).
    pub max_streams: u32,
}

/// A transport for endpoints with these metadata pairs (`envoy.transport_socket_match`).
#[derive(Clone, Debug, PartialEq)]
pub struct TransportMatch {
    /// Name.
    pub name: Name,
    /// Pairs that the endpoint must have; empty: any endpoint.
    pub pairs: BTreeMap<Box<str>, MetadataValue>,
    /// Transport.
    pub transport: Transport,
}

/// TCP keepalive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Keepalive {
    /// Probes before giving up.
    pub probes: Option<u32>,
    /// Idle time before the first probe.
    pub time: Option<Duration>,
    /// Time between probes.
    pub interval: Option<Duration>,
}

/// HTTP toward endpoints (`HttpProtocolOptions`).
#[derive(Clone, Debug)]
pub struct UpstreamHttp {
    /// Which version.
    pub version: UpstreamVersion,
    /// Limits and options of the codec.
    pub options: crate::hcm::CodecOptions,
    /// Longest time of a stream (`max_stream_duration`).
    pub max_stream_duration: Option<Duration>,
    /// Server name from the request's authority (`auto_sni`).
    pub auto_sni: bool,
    /// SAN check against it (`auto_san_validation`).
    pub auto_san_validation: bool,
    /// Header whose value is the server name instead (`override_auto_sni_header`).
    pub override_auto_sni_header: Option<Box<str>>,
}

/// Version of HTTP toward endpoints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum UpstreamVersion {
    /// HTTP/1.1.
    #[default]
    Http1,
    /// HTTP/2, prior knowledge on plaintext.
    Http2,
    /// As the downstream request came (`use_downstream_protocol_config`).
    Downstream,
    /// As ALPN decides (`auto_config`).
    Alpn,
}
