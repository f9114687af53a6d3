//! The HTTP connection manager's configuration.

use std::sync::Arc;
use std::time::Duration;

use weft_match::CidrSet;
use weft_types::{Name, Provenance};

use crate::access_log::AccessLog;
use crate::filter::HttpFilter;
use crate::route::{HeaderMutation, RouteConfig};

/// `envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager`.
#[derive(Debug)]
pub struct HttpManager {
    /// Prefix of its counters (`http.<prefix>.`).
    pub stat_prefix: Name,
    /// Which version is spoken.
    pub codec: CodecType,
    /// Where routes come from.
    pub routes: RouteSource,
    /// HTTP filters in order, the router last (it is not in the list).
    pub filters: Vec<HttpFilter>,
    /// Router options.
    pub router: RouterOptions,
    /// Logs.
    pub access_log: Vec<AccessLog>,
    /// Limits and options of the codec.
    pub options: CodecOptions,
    /// Own address and scheme rules: the connection's address is the client's (`use_remote_address`).
    pub use_remote_address: bool,
    /// Trusted proxies in front (`xff_num_trusted_hops`).
    pub xff_trusted_hops: u32,
    /// Do not add the peer to `x-forwarded-for`.
    pub skip_xff_append: bool,
    /// Which clients count as internal (`internal_address_config`); `None`: none, the
    /// default of Envoy 1.40.
    pub internal_addresses: Option<InternalAddresses>,
    /// Set `x-forwarded-port` to the listener's port when there is none.
    pub append_x_forwarded_port: bool,
    /// `via` to append; empty: none.
    pub via: Box<str>,
    /// Value of `server` (default `envoy`).
    pub server_name: Box<str>,
    /// What to do with the upstream's `server`.
    pub server_header: ServerHeader,
    /// Make `x-request-id` (default true).
    pub generate_request_id: bool,
    /// Keep one that an edge client sent.
    pub preserve_external_request_id: bool,
    /// Put it into the response too.
    pub request_id_in_response: bool,
    /// Time for a whole request to arrive (`request_timeout`; `None`: no limit) → 408.
    pub request_timeout: Option<Duration>,
    /// Time for its head to arrive (`request_headers_timeout`; `None`: no limit) → 408.
    pub request_headers_timeout: Option<Duration>,
    /// No activity on a stream for so long (default 5 min; `None`: no limit).
    pub stream_idle_timeout: Option<Duration>,
    /// No stream on a connection for so long (default 1 h; `None`: no limit).
    pub idle_timeout: Option<Duration>,
    /// Longest life of a connection, after which it is drained.
    pub max_connection_duration: Option<Duration>,
    /// Longest life of a stream.
    pub max_stream_duration: Option<Duration>,
    /// Most requests on a connection; 0: no limit.
    pub max_requests_per_connection: u32,
    /// Time between the drain notice and the end (default 5 s; `drain_timeout`).
    pub drain_timeout: Duration,
    /// Wait for the peer's close after the last reply (default 1 s).
    pub delayed_close_timeout: Duration,
    /// `x-forwarded-client-cert`.
    pub xfcc: Xfcc,
    /// Normalize `.` and `..` and percent-encoding in paths (default false; SD-16 turns it on).
    pub normalize_path: bool,
    /// Merge adjacent slashes.
    pub merge_slashes: bool,
    /// `%2F` and `%5C` in paths.
    pub escaped_slashes: EscapedSlashes,
    /// Fields with underscores in their names.
    pub underscores: Underscores,
    /// Remove the port from the authority for matching.
    pub strip_port: StripPort,
    /// Remove a trailing dot from the authority.
    pub strip_trailing_host_dot: bool,
    /// Upgrades that are allowed: token (lower case) and whether it is enabled.
    pub upgrades: Vec<Upgrade>,
    /// Pass `Expect: 100-continue` on instead of answering it (`proxy_100_continue`).
    pub proxy_100_continue: bool,
    /// Add `user-agent` and `x-envoy-downstream-service-cluster` from the bootstrap (`add_user_agent`).
    pub add_user_agent: bool,
    /// Scheme to force (`scheme_header_transformation`).
    pub force_scheme: Option<Box<str>>,
    /// Changes of replies that the proxy makes itself (`local_reply_config`).
    pub local_reply: LocalReplyConfig,
    /// Object behind it.
    pub provenance: Option<Arc<Provenance>>,
}

/// Clients that count as internal (`InternalAddressConfig`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InternalAddresses {
    /// Clients over Unix sockets.
    pub unix_sockets: bool,
    /// Ranges.
    pub ranges: CidrSet,
}

/// `codec_type`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CodecType {
    /// By ALPN, else by the first bytes.
    #[default]
    Auto,
    /// HTTP/1.
    Http1,
    /// HTTP/2.
    Http2,
}

/// Where routes come from.
#[derive(Clone, Debug)]
pub enum RouteSource {
    /// In the manager itself.
    Inline(Arc<RouteConfig>),
    /// From RDS or `Tables::routes`, by name.
    Named(Name),
}

/// Options of a codec, either side (`Http1ProtocolOptions`, `Http2ProtocolOptions`,
/// `HttpProtocolOptions`, `max_request_headers_kb`). The proxy fills `weft_codec::Limits` from it.
#[derive(Clone, Debug, PartialEq)]
pub struct CodecOptions {
    /// Head size in KiB (default 60).
    pub max_headers_kb: u32,
    /// Fields in a head (default 100).
    pub max_headers_count: u32,
    /// HTTP/1.0 is served.
    pub accept_http10: bool,
    /// Host for HTTP/1.0 requests without one.
    pub default_host_http10: Box<str>,
    /// Chunked together with Content-Length is served.
    pub allow_chunked_length: bool,
    /// Absolute-form targets are served (default true).
    pub allow_absolute_url: bool,
    /// HTTP/1 trailers pass.
    pub http1_trailers: bool,
    /// Case of HTTP/1 header names.
    pub header_case: HeaderCase,
    /// HTTP/2 streams at once (default 1024 downstream as Envoy 1.40).
    pub max_concurrent_streams: u32,
    /// HTTP/2 stream window (default 16 MiB).
    pub initial_stream_window: u32,
    /// HTTP/2 connection window (default 24 MiB).
    pub initial_connection_window: u32,
    /// HPACK table size (default 4,096).
    pub hpack_table_size: u32,
    /// Extended CONNECT (`allow_connect`).
    pub allow_connect: bool,
    /// HTTP/2 PING interval and time for the answer.
    pub keepalive: Option<(Duration, Duration)>,
    /// Invalid messages reset the stream instead of the connection
    /// (`override_stream_error_on_invalid_http_message`).
    pub stream_error_on_invalid: bool,
    /// The same for HTTP/1: answer 400 without closing the connection where that is safe.
    pub http1_stream_error_on_invalid: bool,
    /// HTTP/1 methods outside the registered ones are served (`allow_custom_methods`).
    pub allow_custom_methods: bool,
}

impl Default for CodecOptions {
    fn default() -> Self {
        Self {
            max_headers_kb: 60,
            max_headers_count: 100,
            accept_http10: false,
            default_host_http10: "".into(),
            allow_chunked_length: false,
            allow_absolute_url: true,
            http1_trailers: false,
            header_case: HeaderCase::Lower,
            max_concurrent_streams: 1024,
            initial_stream_window: 16 * 1024 * 1024,
            initial_connection_window: 24 * 1024 * 1024,
            hpack_table_size: 4096,
            allow_connect: false,
            keepalive: None,
            stream_error_on_invalid: false,
            http1_stream_error_on_invalid: false,
            allow_custom_methods: false,
        }
    }
}

/// Case of HTTP/1 header names on output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HeaderCase {
    /// Lower case.
    #[default]
    Lower,
    /// `Proper-Case`.
    Proper,
    /// As received (`preserve_case`).
    Preserve,
}

/// Router options (`envoy.extensions.filters.http.router.v3.Router`).
#[derive(Clone, Debug, Default)]
pub struct RouterOptions {
    /// Add no `x-envoy-*` headers.
    pub suppress_envoy_headers: bool,
    /// Emit dynamic stats (default true).
    pub dynamic_stats: bool,
    /// Refuse requests with bad values in these `x-envoy-*` headers.
    pub strict_check_headers: Vec<Box<str>>,
    /// Do not pass `x-envoy-retry-on` errors of expected rq timeout.. (`respect_expected_rq_timeout`).
    pub respect_expected_timeout: bool,
}

/// `server_header_transformation`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ServerHeader {
    /// Replace.
    #[default]
    Overwrite,
    /// Add when the upstream sent none.
    AppendIfAbsent,
    /// Leave alone.
    PassThrough,
}

/// `forward_client_cert_details` with `set_current_client_cert_details`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Xfcc {
    /// What to do with the header.
    pub mode: XfccMode,
    /// Add `Subject`.
    pub subject: bool,
    /// Add `Cert`.
    pub cert: bool,
    /// Add `Chain`.
    pub chain: bool,
    /// Add `DNS`.
    pub dns: bool,
    /// Add `URI`.
    pub uri: bool,
}

/// `ForwardClientCertDetails`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum XfccMode {
    /// Remove.
    #[default]
    Sanitize,
    /// Keep on mTLS connections.
    ForwardOnly,
    /// Append on mTLS connections.
    AppendForward,
    /// Replace on mTLS connections.
    SanitizeSet,
    /// Keep always.
    AlwaysForwardOnly,
}

/// `path_with_escaped_slashes_action`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EscapedSlashes {
    /// Keep.
    #[default]
    Keep,
    /// 400.
    Reject,
    /// Unescape and redirect (307).
    UnescapeAndRedirect,
    /// Unescape and go on.
    UnescapeAndForward,
}

/// `headers_with_underscores_action`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Underscores {
    /// Allow.
    #[default]
    Allow,
    /// 400 (HTTP/1) or reset (HTTP/2).
    Reject,
    /// Drop the field.
    Drop,
}

/// Port of the authority.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StripPort {
    /// Keep.
    #[default]
    Keep,
    /// Remove when it is the listener's.
    Matching,
    /// Remove any.
    Any,
}

/// An upgrade (`upgrade_configs`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upgrade {
    /// Token, lower case: `websocket`, `connect` …
    pub token: Box<str>,
    /// Allowed.
    pub enabled: bool,
}

/// `local_reply_config`.
#[derive(Clone, Debug, Default)]
pub struct LocalReplyConfig {
    /// First that matches applies.
    pub mappers: Vec<LocalReplyMapper>,
    /// Body form for all; `None`: the text itself.
    pub body_format: Option<(crate::access_log::LogFormat, Box<str>)>,
}

/// A change of a local reply.
#[derive(Clone, Debug)]
pub struct LocalReplyMapper {
    /// Which replies.
    pub filter: crate::access_log::LogFilter,
    /// New status.
    pub status: Option<u16>,
    /// New body.
    pub body: Option<bytes::Bytes>,
    /// Body form and its content type.
    pub body_format: Option<(crate::access_log::LogFormat, Box<str>)>,
    /// Fields to add.
    pub headers: Vec<HeaderMutation>,
}
