//! Route configurations.

use std::sync::Arc;
use std::time::Duration;

use weft_match::{HeaderMatcher, QueryMatcher};
use weft_types::{FractionalPercent, Name, Provenance};

use crate::cluster::Metadata;
use crate::filter::PerRoute;
use crate::lookup::{Routes, Wildcards};

/// `envoy.config.route.v3.RouteConfiguration`.
#[derive(Debug)]
pub struct RouteConfig {
    /// Name.
    pub name: Name,
    /// Virtual hosts.
    pub virtual_hosts: Vec<Arc<VirtualHost>>,
    /// Index from domain to virtual host.
    pub domains: DomainIndex,
    /// Header changes for every route.
    pub headers: HeaderRules,
    /// Apply the changes of configuration, host, route in that order instead of the reverse
    /// (`most_specific_header_mutations_wins`).
    pub most_specific_headers_win: bool,
    /// Fields of requests that are internal only and are removed for external ones.
    pub internal_only_headers: Vec<Box<str>>,
    /// Match domains without the port of the authority (`ignore_port_in_host_matching`).
    pub ignore_port: bool,
    /// Drop `;params` of path segments in matching (`ignore_path_parameters_in_path_matching`).
    pub ignore_path_parameters: bool,
    /// Per-filter settings for all routes.
    pub per_filter: Vec<(Name, PerRoute)>,
    /// Mirror policies for all routes.
    pub mirrors: Vec<Mirror>,
    /// Object behind it.
    pub provenance: Option<Arc<Provenance>>,
}

/// Domains by kind; within suffixes and prefixes the longest match wins. Keys are lower case;
/// values index `virtual_hosts`.
#[derive(Clone, Debug, Default)]
pub struct DomainIndex {
    /// Exact domains.
    pub exact: std::collections::HashMap<Box<str>, usize>,
    /// `*.suffix`, stored as `.suffix` (or `-suffix` …).
    pub suffixes: Wildcards,
    /// `prefix.*`, stored as `prefix.`.
    pub prefixes: Wildcards,
    /// `*`.
    pub any: Option<usize>,
}

/// `envoy.config.route.v3.VirtualHost`.
#[derive(Debug)]
pub struct VirtualHost {
    /// Name.
    pub name: Name,
    /// Routes, first match wins.
    pub routes: Routes,
    /// Plaintext requests are redirected to https.
    pub require_tls: TlsRequirement,
    /// Header changes for its routes.
    pub headers: HeaderRules,
    /// Retry policy of routes that have none.
    pub retry: Option<Arc<RetryPolicy>>,
    /// Per-filter settings of its routes.
    pub per_filter: Vec<(Name, PerRoute)>,
    /// Mirror policies of routes that have none.
    pub mirrors: Vec<Mirror>,
    /// Add `x-envoy-attempt-count` to requests.
    pub attempt_count_in_request: bool,
    /// Add it to responses.
    pub attempt_count_in_response: bool,
    /// Largest body kept for retries and mirrors, bytes; `None`: the connection's buffer limit.
    pub request_body_buffer_limit: Option<u64>,
    /// Object behind it.
    pub provenance: Option<Arc<Provenance>>,
}

/// `require_tls`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TlsRequirement {
    /// None.
    #[default]
    None,
    /// For clients from outside.
    ExternalOnly,
    /// For all.
    All,
}

/// One route.
#[derive(Debug)]
pub struct Route {
    /// Name.
    pub name: Name,
    /// Criteria.
    pub matches: RouteMatch,
    /// What to do.
    pub action: Action,
    /// Header changes.
    pub headers: HeaderRules,
    /// Per-filter settings.
    pub per_filter: Vec<(Name, PerRoute)>,
    /// Metadata of the route.
    pub metadata: Metadata,
    /// Prefix of its own counters.
    pub stat_prefix: Name,
    /// Largest body kept for retries and mirrors, bytes; `None`: as the virtual host says.
    pub request_body_buffer_limit: Option<u64>,
    /// Object behind it.
    pub provenance: Option<Arc<Provenance>>,
}

/// `RouteMatch`: all must hold.
#[derive(Clone, Debug)]
pub struct RouteMatch {
    /// Path test.
    pub path: PathMatcher,
    /// Path tests look at case (default true).
    pub case_sensitive: bool,
    /// Header tests.
    pub headers: Vec<HeaderMatcher>,
    /// Query tests.
    pub query: Vec<QueryMatcher>,
    /// Share of requests that the route takes; `None`: all.
    pub runtime_fraction: Option<FractionalPercent>,
    /// Only gRPC requests (`content-type: application/grpc…`).
    pub grpc: bool,
    /// Presence and validity of a client certificate.
    pub tls: Option<TlsContextMatch>,
}

/// `TlsContextMatchOptions`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TlsContextMatch {
    /// A certificate is (not) presented.
    pub presented: Option<bool>,
    /// A certificate is (not) validated.
    pub validated: Option<bool>,
}

/// Path tests. They look at the path without the query.
#[derive(Clone, Debug)]
pub enum PathMatcher {
    /// Any path that starts so.
    Prefix(Box<str>),
    /// The whole path.
    Exact(Box<str>),
    /// The whole path matches.
    Regex(regex::bytes::Regex),
    /// The path is this, or continues with `/`.
    PathSeparatedPrefix(Box<str>),
    /// A CONNECT request.
    Connect,
    /// URI template (`uri_template` matcher): segments.
    Template(Box<str>, regex::bytes::Regex),
}

/// What a route does.
#[derive(Debug)]
pub enum Action {
    /// Forward.
    Forward(Box<Forward>),
    /// Redirect.
    Redirect(Box<Redirect>),
    /// Answer at once.
    Direct {
        /// Status.
        status: u16,
        /// Body.
        body: bytes::Bytes,
    },
    /// Only per-filter settings: a request that ends here has no route (`non_forwarding_action`,
    /// used inbound by libraries).
    NonForwarding,
}

/// `RouteAction`.
#[derive(Debug)]
pub struct Forward {
    /// Target.
    pub target: Target,
    /// Status when the cluster does not exist (default 503).
    pub cluster_not_found: u16,
    /// Endpoint subset wanted (`metadata_match`, namespace `envoy.lb`).
    pub subset: Metadata,
    /// Path change.
    pub path_rewrite: Option<PathRewrite>,
    /// Authority change.
    pub host_rewrite: Option<HostRewrite>,
    /// Add `x-forwarded-host` when the authority changes.
    pub append_x_forwarded_host: bool,
    /// Time for the whole response (default 15 s; `None`: no limit).
    pub timeout: Option<Duration>,
    /// No activity for so long; `None`: as the connection manager says; zero: off.
    pub idle_timeout: Option<Duration>,
    /// `max_stream_duration` of the route.
    pub max_stream_duration: MaxStreamDuration,
    /// Let a gRPC request's `grpc-timeout` be the timeout, up to this (`max_grpc_timeout`, which
    /// istiod sends); `Some(ZERO)`: without bound; `None`: the header counts for nothing.
    pub max_grpc_timeout: Option<Duration>,
    /// Taken off that `grpc-timeout` (`grpc_timeout_offset`).
    pub grpc_timeout_offset: Option<Duration>,
    /// Retries; `None`: those of the virtual host, else none.
    pub retry: Option<Arc<RetryPolicy>>,
    /// Copies.
    pub mirrors: Vec<Mirror>,
    /// Priority of circuit breakers.
    pub high_priority: bool,
    /// Hash for consistent balancing.
    pub hash_policies: Vec<HashPolicy>,
    /// Upgrades allowed or forbidden on this route, over those of the manager.
    pub upgrades: Vec<RouteUpgrade>,
    /// Internal redirects followed; `None`: none.
    pub internal_redirects: Option<InternalRedirects>,
}

/// Where a route forwards.
#[derive(Clone, Debug)]
pub enum Target {
    /// A cluster.
    Cluster(Name),
    /// The cluster that a request header names.
    Header(Box<str>),
    /// Several by weight.
    Weighted {
        /// Entries.
        clusters: Vec<WeightedCluster>,
        /// Sum of the weights, never 0.
        total: u64,
        /// Header whose value replaces the dice (`header_name`).
        random_header: Option<Box<str>>,
    },
}

/// One entry of weighted clusters.
#[derive(Clone, Debug)]
pub struct WeightedCluster {
    /// Cluster; empty with `header`.
    pub cluster: Name,
    /// Header that names it.
    pub header: Option<Box<str>>,
    /// Weight.
    pub weight: u32,
    /// Subset wanted.
    pub subset: Metadata,
    /// Header changes.
    pub headers: HeaderRules,
    /// Authority change.
    pub host_rewrite: Option<Box<str>>,
    /// Per-filter settings.
    pub per_filter: Vec<(Name, PerRoute)>,
}

/// Path changes.
#[derive(Clone, Debug)]
pub enum PathRewrite {
    /// What the prefix (or exact path) matched is replaced.
    Prefix(Box<str>),
    /// A regular expression's matches are replaced; `\1` is the first group.
    Regex(regex::Regex, Box<str>),
    /// The path (without query) becomes this (`path_rewrite` with substitution) .
    Path(Box<str>),
}

/// Authority changes.
#[derive(Clone, Debug)]
pub enum HostRewrite {
    /// To this.
    Literal(Box<str>),
    /// To the chosen endpoint's host name (`auto_host_rewrite`).
    Endpoint,
    /// To a header's value.
    Header(Box<str>),
    /// To the path's replaced text.
    PathRegex(regex::Regex, Box<str>),
}

/// `max_stream_duration` of a route.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MaxStreamDuration {
    /// Limit; `Some(ZERO)` switches the manager's off.
    pub limit: Option<Duration>,
    /// Upper bound for a client's `grpc-timeout`; `Some(ZERO)`: no bound.
    pub grpc_timeout_max: Option<Duration>,
    /// Taken off `grpc-timeout`.
    pub grpc_timeout_offset: Option<Duration>,
}

/// Retry policy (`RetryPolicy`, VS-20).
#[derive(Clone, Debug, PartialEq)]
pub struct RetryPolicy {
    /// Conditions.
    pub on: RetryOn,
    /// Retries at most (default 1).
    pub attempts: u32,
    /// Time for each try; `None`: the route's.
    pub per_try_timeout: Option<Duration>,
    /// No bytes for so long in a try; `None`: no limit.
    pub per_try_idle_timeout: Option<Duration>,
    /// Base of the back-off (default 25 ms).
    pub back_off_base: Duration,
    /// Highest back-off (default 10 × base).
    pub back_off_max: Duration,
    /// Statuses for `retriable-status-codes`.
    pub statuses: Vec<u16>,
    /// Response headers for `retriable-headers`.
    pub headers: Vec<RetryHeader>,
    /// Only requests with one of these headers are retried; empty: all.
    pub request_headers: Vec<RetryHeader>,
    /// Avoid hosts that were tried (`previous_hosts` predicate).
    pub avoid_previous_hosts: bool,
    /// Avoid priorities that were tried, after that many attempts (`previous_priorities`).
    pub avoid_previous_priorities: Option<u32>,
    /// Draws to find another host (default 1).
    pub host_selection_attempts: u32,
    /// Headers in which the upstream says when to come again, and their form.
    pub reset_headers: Vec<(Box<str>, ResetHeader)>,
    /// Longest wait that such a header may cause (default 300 s).
    pub reset_max: Duration,
}

/// Form of a rate-limit reset header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResetHeader {
    /// Seconds from now.
    Seconds,
    /// Unix time.
    UnixTimestamp,
}

/// A header test of a retry policy.
#[derive(Clone, Debug)]
pub struct RetryHeader(pub HeaderMatcher);

impl PartialEq for RetryHeader {
    fn eq(&self, other: &Self) -> bool {
        format!("{self:?}") == format!("{other:?}")
    }
}

/// Conditions of `retry_on` as a set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools)]
pub struct RetryOn {
    /// `5xx`
    pub any_5xx: bool,
    /// `gateway-error`
    pub gateway_error: bool,
    /// `reset`
    pub reset: bool,
    /// `reset-before-request`
    pub reset_before_request: bool,
    /// `connect-failure`
    pub connect_failure: bool,
    /// `envoy-ratelimited`
    pub envoy_ratelimited: bool,
    /// `retriable-4xx`
    pub retriable_4xx: bool,
    /// `refused-stream`
    pub refused_stream: bool,
    /// `retriable-status-codes`
    pub status_codes: bool,
    /// `retriable-headers`
    pub headers: bool,
    /// `http3-post-connect-failure`
    pub http3_post_connect_failure: bool,
    /// gRPC `cancelled`
    pub grpc_cancelled: bool,
    /// gRPC `deadline-exceeded`
    pub grpc_deadline_exceeded: bool,
    /// gRPC `internal`
    pub grpc_internal: bool,
    /// gRPC `resource-exhausted`
    pub grpc_resource_exhausted: bool,
    /// gRPC `unavailable`
    pub grpc_unavailable: bool,
}

/// A copy of requests (`RequestMirrorPolicy`, VS-23).
#[derive(Clone, Debug)]
pub struct Mirror {
    /// Cluster.
    pub cluster: Name,
    /// Header that names the cluster instead.
    pub header: Option<Box<str>>,
    /// Share.
    pub fraction: FractionalPercent,
    /// Leave the authority as it is instead of adding `-shadow`.
    pub keep_host: bool,
}

/// What a hash is made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HashPolicy {
    /// A header; the flag ends the list when it was there (`terminal`).
    Header(Box<str>, bool),
    /// A cookie, made with this life when missing.
    Cookie {
        /// Name.
        name: Box<str>,
        /// Life; `None`: never made; zero: session cookie.
        ttl: Option<Duration>,
        /// Path.
        path: Box<str>,
        /// Ends the list when it was there.
        terminal: bool,
    },
    /// The client's address.
    SourceIp(bool),
    /// A query parameter.
    Query(Box<str>, bool),
}

/// An upgrade of a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteUpgrade {
    /// Token, lower case.
    pub token: Box<str>,
    /// Allowed.
    pub enabled: bool,
    /// For CONNECT: end it here and send the payload as TCP to the cluster (`connect_config`).
    pub terminate_connect: bool,
}

/// Internal redirects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InternalRedirects {
    /// Most of them (default 1).
    pub max: u32,
    /// Statuses (default 302).
    pub statuses: Vec<u16>,
    /// Between schemes too.
    pub cross_scheme: bool,
}

/// A redirect (`RedirectAction`, VS-14).
#[derive(Debug)]
pub struct Redirect {
    /// Status.
    pub status: u16,
    /// Scheme; `https_redirect` is `https`.
    pub scheme: Option<Box<str>>,
    /// Host.
    pub host: Option<Box<str>>,
    /// Port; 0 means none said.
    pub port: Option<u16>,
    /// Path.
    pub path: RedirectPath,
    /// Drop the query.
    pub strip_query: bool,
}

/// Path of a redirect.
#[derive(Debug)]
pub enum RedirectPath {
    /// As it came.
    Keep,
    /// Replaced (may bring its own query).
    Replace(Box<str>),
    /// The matched prefix is replaced.
    Prefix(Box<str>),
    /// A regular expression's matches are replaced.
    Regex(regex::Regex, Box<str>),
}

/// Header changes of one level.
#[derive(Clone, Debug, Default)]
pub struct HeaderRules {
    /// Request fields to add or set, in order.
    pub request: Vec<HeaderMutation>,
    /// Request fields to remove (done first).
    pub request_remove: Vec<Box<str>>,
    /// Response fields to add or set, in order.
    pub response: Vec<HeaderMutation>,
    /// Response fields to remove (done first).
    pub response_remove: Vec<Box<str>>,
}

impl HeaderRules {
    /// Whether nothing changes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.request.is_empty()
            && self.request_remove.is_empty()
            && self.response.is_empty()
            && self.response_remove.is_empty()
    }
}

/// One header change (`HeaderValueOption`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderMutation {
    /// Field name.
    pub name: Box<str>,
    /// Value with command operators, in pieces that need no parsing later.
    pub value: Template,
    /// How.
    pub action: AppendAction,
    /// Set even if the value is empty.
    pub keep_empty: bool,
}

/// `append_action`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AppendAction {
    /// Add beside what is there.
    #[default]
    Append,
    /// Only when absent.
    AddIfAbsent,
    /// Replace, or add.
    OverwriteOrAdd,
    /// Only when present.
    OverwriteIfExists,
}

/// A text with Envoy's command operators (`%REQ(x)%` …), parsed once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(pub Vec<TemplatePart>);

/// A piece of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TemplatePart {
    /// Text as it is.
    Text(Box<str>),
    /// An operator: its name, argument in parentheses, and length limit.
    Operator {
        /// For example `REQ`.
        name: Box<str>,
        /// What stands in parentheses; empty without.
        argument: Box<str>,
        /// `:n` after it: longest output in bytes.
        limit: Option<usize>,
    },
}

impl Template {
    /// A template without operators.
    #[must_use]
    pub fn literal(text: &str) -> Self {
        Self(vec![TemplatePart::Text(text.into())])
    }
}
