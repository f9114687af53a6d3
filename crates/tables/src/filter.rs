//! Filters, as data.

use std::sync::Arc;
use std::time::Duration;

use weft_match::{CidrSet, HeaderMatcher, StringMatcher};
use weft_types::{FractionalPercent, Name};

use crate::istio::{AlpnOverrides, IstioStats, PeerMetadata};
use crate::route::{HeaderMutation, Template};

/// An HTTP filter of a chain.
#[derive(Clone, Debug)]
pub struct HttpFilter {
    /// Name in the chain, to which per-route settings refer.
    pub name: Name,
    /// Its configuration.
    pub config: HttpFilterConfig,
    /// Off unless a route turns it on (`disabled`).
    pub disabled: bool,
}

/// The built-in HTTP filters, and one open variant.
#[derive(Clone, Debug)]
pub enum HttpFilterConfig {
    /// `envoy.filters.http.fault`
    Fault(Arc<Fault>),
    /// `envoy.filters.http.header_mutation`
    HeaderMutation(Arc<HeaderMutations>),
    /// `envoy.filters.http.cors`
    Cors(Arc<CorsPolicy>),
    /// `envoy.filters.http.rbac`
    Rbac(Arc<Rbac>),
    /// `envoy.filters.http.set_filter_state` and other filters that only leave notes
    SetFilterState(Arc<SetFilterState>),
    /// `envoy.filters.http.grpc_stats`
    GrpcStats,
    /// `envoy.filters.http.health_check` (non pass-through)
    HealthCheck(Arc<HealthCheckFilter>),
    /// `envoy.filters.http.local_ratelimit`
    LocalRateLimit(Arc<LocalRateLimit>),
    /// `envoy.filters.http.buffer`: most bytes
    Buffer(u32),
    /// Istio's `peer_metadata`
    PeerMetadata(Arc<PeerMetadata>),
    /// Istio's `alpn`
    Alpn(Arc<AlpnOverrides>),
    /// Istio's `stats`: the report counts by it
    IstioStats(Arc<IstioStats>),
    /// A filter registered by the program under this name (the open variant: extensions, test filters).
    Open(OpenConfig),
}

/// Configuration of the open variant: which filter, and its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenConfig {
    /// Name under which the program registered it.
    pub kind: Name,
    /// Configuration as JSON text or protobuf bytes, by agreement with the filter.
    pub config: bytes::Bytes,
}

/// Settings that a route gives a filter (`typed_per_filter_config`).
#[derive(Clone, Debug)]
pub enum PerRoute {
    /// Turned off (`FilterConfig.disabled`).
    Disabled,
    /// Turned on with the chain's configuration (`FilterConfig` with an empty config).
    Enabled,
    /// Replaced by this.
    Config(HttpFilterConfig),
}

/// Fault injection (`HTTPFault`, VS-22).
#[derive(Clone, Debug)]
pub struct Fault {
    /// Delay.
    pub delay: Option<FaultDelay>,
    /// Abort.
    pub abort: Option<FaultAbort>,
    /// Only requests that pass these; empty: all.
    pub headers: Vec<HeaderMatcher>,
    /// Only requests to this cluster; empty: any.
    pub upstream_cluster: Box<str>,
    /// Only requests from these downstream nodes.
    pub downstream_nodes: Vec<Box<str>>,
    /// Most faults at once; `None`: no limit.
    pub max_active: Option<u32>,
}

/// A delay.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FaultDelay {
    /// How long; `None`: as the header `x-envoy-fault-delay-request` says.
    pub fixed: Option<Duration>,
    /// Share.
    pub share: FractionalPercent,
}

/// An abort.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FaultAbort {
    /// What.
    pub kind: AbortKind,
    /// Share.
    pub share: FractionalPercent,
}

/// What an abort answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AbortKind {
    /// HTTP status.
    Http(u16),
    /// gRPC status, on HTTP 200.
    Grpc(u32),
    /// As headers say.
    Header,
}

/// `header_mutation`.
#[derive(Clone, Debug, Default)]
pub struct HeaderMutations {
    /// On the request, in order.
    pub request: Vec<MutationStep>,
    /// On the response, in order.
    pub response: Vec<MutationStep>,
    /// Of the levels of a route, the most specific comes last
    /// (`most_specific_header_mutations_wins`; counts in the chain's own configuration).
    pub most_specific_wins: bool,
}

/// One step of a header mutation list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MutationStep {
    /// Remove a field.
    Remove(Box<str>),
    /// Add or set a field.
    Set(HeaderMutation),
}

/// CORS (VS-24). What a level does not say, the next less specific level says.
#[derive(Clone, Debug, Default)]
pub struct CorsPolicy {
    /// Origins allowed.
    pub allow_origin: Vec<StringMatcher>,
    /// `access-control-allow-methods`.
    pub allow_methods: Box<str>,
    /// `access-control-allow-headers`.
    pub allow_headers: Box<str>,
    /// `access-control-expose-headers`.
    pub expose_headers: Box<str>,
    /// `access-control-max-age`.
    pub max_age: Box<str>,
    /// `access-control-allow-credentials: true`; `None`: not said at this level.
    pub allow_credentials: Option<bool>,
    /// Share for which it is enforced; `None`: always.
    pub enabled: Option<FractionalPercent>,
    /// Private network access is answered; `None`: not said at this level.
    pub allow_private_network: Option<bool>,
    /// Preflights with a foreign origin are forwarded (default true); `None`: not said at this level.
    pub forward_unmatched_preflights: Option<bool>,
}

/// Role-based access control, HTTP and network (`envoy.config.rbac.v3.RBAC`).
#[derive(Clone, Debug)]
pub struct Rbac {
    /// Rules that are enforced; `None`: everything passes.
    pub rules: Option<RbacRules>,
    /// Rules that only count.
    pub shadow: Option<RbacRules>,
    /// Prefix of the shadow counters.
    pub shadow_stat_prefix: Name,
    /// Prefix of counters (network filter).
    pub stat_prefix: Name,
}

/// Rules of one action.
#[derive(Clone, Debug)]
pub struct RbacRules {
    /// What a match means.
    pub action: RbacAction,
    /// By name, in the order of names, as Envoy's map.
    pub policies: Vec<(Name, RbacPolicy)>,
}

/// `RBAC.Action`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RbacAction {
    /// Only matches pass.
    Allow,
    /// Matches are denied.
    Deny,
    /// Matches are logged.
    Log,
}

/// One policy: some permission and some principal must hold.
#[derive(Clone, Debug)]
pub struct RbacPolicy {
    /// What is asked for.
    pub permissions: Vec<Permission>,
    /// Who asks.
    pub principals: Vec<Principal>,
}

/// What is asked for.
#[derive(Clone, Debug)]
pub enum Permission {
    /// All hold.
    And(Vec<Permission>),
    /// One holds.
    Or(Vec<Permission>),
    /// The other way round.
    Not(Box<Permission>),
    /// Always.
    Any,
    /// Header test.
    Header(HeaderMatcher),
    /// Path without query.
    UrlPath(StringMatcher),
    /// Destination address.
    DestinationIp(CidrSet),
    /// Destination port.
    DestinationPort(u16),
    /// Destination ports `start..end`.
    DestinationPorts(u16, u32),
    /// Server name.
    ServerName(StringMatcher),
    /// Dynamic metadata.
    Metadata(Arc<MetadataMatcher>),
}

/// Who asks.
#[derive(Clone, Debug)]
pub enum Principal {
    /// All hold.
    And(Vec<Principal>),
    /// One holds.
    Or(Vec<Principal>),
    /// The other way round.
    Not(Box<Principal>),
    /// Anyone.
    Any,
    /// Authenticated by certificate: a URI SAN, DNS SAN or subject passes the test; `None`: any
    /// authenticated peer.
    Authenticated(Option<StringMatcher>),
    /// Address of the connection, after PROXY protocol.
    SourceIp(CidrSet),
    /// Address of the socket.
    DirectRemoteIp(CidrSet),
    /// Address by `x-forwarded-for`.
    RemoteIp(CidrSet),
    /// Header test.
    Header(HeaderMatcher),
    /// Path without query.
    UrlPath(StringMatcher),
    /// Dynamic metadata.
    Metadata(Arc<MetadataMatcher>),
    /// Filter state.
    FilterState(Box<str>, StringMatcher),
}

/// A test of dynamic metadata.
#[derive(Clone, Debug)]
pub struct MetadataMatcher {
    /// Filter name.
    pub filter: Box<str>,
    /// Path of keys.
    pub path: Vec<Box<str>>,
    /// Test on the string value, or on an element of a list.
    pub value: StringMatcher,
    /// Turned round.
    pub invert: bool,
}

/// `set_filter_state`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetFilterState {
    /// Entries, set in this order.
    pub entries: Vec<FilterStateEntry>,
}

/// One entry of filter state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterStateEntry {
    /// Name of the entry (`object_key`).
    pub key: Box<str>,
    /// Value.
    pub value: Template,
    /// Leave the entry out when the value is empty.
    pub skip_if_empty: bool,
}

/// `health_check` filter that answers itself.
#[derive(Clone, Debug)]
pub struct HealthCheckFilter {
    /// Which requests.
    pub headers: Vec<HeaderMatcher>,
    /// Passed on to the upstream.
    pub pass_through: bool,
}

/// `local_ratelimit`.
#[derive(Clone, Debug)]
pub struct LocalRateLimit {
    /// Prefix of counters.
    pub stat_prefix: Name,
    /// Bucket size.
    pub max_tokens: u32,
    /// Tokens each fill (default 1).
    pub tokens_per_fill: u32,
    /// Time between fills (at least 50 ms).
    pub fill_interval: Duration,
    /// Share for which it is looked at.
    pub enabled: FractionalPercent,
    /// Share for which it is enforced.
    pub enforced: FractionalPercent,
    /// Status (default 429).
    pub status: u16,
    /// Fields on limited responses.
    pub response_headers: Vec<HeaderMutation>,
}

/// A network filter before the terminal one.
#[derive(Clone, Debug)]
pub enum NetworkFilter {
    /// `envoy.filters.network.rbac`
    Rbac(Arc<Rbac>),
    /// `envoy.filters.network.connection_limit`
    ConnectionLimit {
        /// Prefix of counters.
        stat_prefix: Name,
        /// Most connections.
        max: u64,
    },
    /// `envoy.filters.network.sni_cluster`: the server name names the cluster.
    SniCluster,
    /// `envoy.filters.network.set_filter_state`
    SetFilterState(Arc<SetFilterState>),
    /// Istio's `authn` (`io.istio.network.authn.Config`): the SPIFFE identities of both ends are noted as
    /// [`PEER_PRINCIPAL`](crate::istio::PEER_PRINCIPAL) and
    /// [`LOCAL_PRINCIPAL`](crate::istio::LOCAL_PRINCIPAL), where policies look for them.
    IstioAuthn,
    /// Istio's `stats`: the report counts by it.
    IstioStats(Arc<IstioStats>),
}
