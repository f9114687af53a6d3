//! Named limits of what a peer may make us hold.

/// Limits and options of one connection's codec. The defaults are Envoy's.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Bytes of a request or response head, all names and values (default 60 KiB; Envoy
    /// `max_request_headers_kb`). Above it a server answers 431.
    pub max_head_bytes: usize,
    /// Number of fields in a head or in trailers (default 100; `max_headers_count`).
    pub max_head_fields: usize,
    /// HTTP/1.0 requests are served (`http_protocol_options.accept_http_10`); else 426.
    pub accept_http10: bool,
    /// Authority for HTTP/1.0 requests without `Host` (`default_host_for_http_10`).
    pub default_host_for_http10: String,
    /// `Transfer-Encoding: chunked` together with `Content-Length` is served with the length
    /// dropped, rather than refused (`allow_chunked_length`; RFC 9112 section 6.3). Default refuse.
    pub allow_chunked_length: bool,
    /// Absolute-form request targets are taken (`allow_absolute_url`, default true).
    pub allow_absolute_url: bool,
    /// Trailers of HTTP/1.x chunked bodies are passed on (`enable_trailers`, default false: dropped).
    pub http1_trailers: bool,
    /// HTTP/2: streams a peer may have open at once (default 1024 here; Envoy 1.40 default 1024).
    pub max_concurrent_streams: u32,
    /// HTTP/2: initial window of a stream, bytes (default 16 MiB as Envoy 1.40).
    pub initial_stream_window: u32,
    /// HTTP/2: initial window of the connection, bytes (default 24 MiB as Envoy 1.40).
    pub initial_connection_window: u32,
    /// HTTP/2: largest HPACK dynamic table we let the peer use, bytes (default 4096).
    pub hpack_table_size: u32,
    /// HTTP/2: largest DATA or HEADERS frame we take, bytes (default 16,384).
    pub max_frame_size: u32,
    /// HTTP/2: extended CONNECT (RFC 8441) is offered and taken (`allow_connect`).
    pub allow_extended_connect: bool,
    /// HTTP/2: frames of PING, SETTINGS, RST_STREAM and empty DATA that may be unanswered or come
    /// without work in between before the connection is closed as a flood (default 10,000 control
    /// frames queued outbound, 1,000 resets a connection without completed stream; CVE-2023-44487 and kin).
    pub max_control_frames: u32,
    /// Field names with an underscore are refused in requests (`headers_with_underscores_action`
    /// `REJECT_REQUEST`, default false).
    pub reject_underscores: bool,
    /// HTTP/1.x: names that are received keep their case on their way to the other side (Envoy
    /// `preserve_case`, default false).
    pub keep_case: bool,
    /// HTTP/1.x: names that do not keep their case are sent as `Proper-Case`, not in lower case
    /// (`proper_case_words`, default false).
    pub proper_case: bool,
    /// HTTP/1.x: methods beside the registered ones are taken (`allow_custom_methods`, default false).
    pub allow_custom_methods: bool,
    /// HTTP/2: a malformed message ends its stream, as RFC 9113 section 8.1.1 has it, and not the
    /// connection (`override_stream_error_on_invalid_http_message`, default false as in Envoy).
    pub stream_error_on_invalid: bool,
    /// Whether a request of `CONNECT` method is passed to the pipeline at all.
    pub allow_connect: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_head_bytes: 60 * 1024,
            max_head_fields: 100,
            accept_http10: false,
            default_host_for_http10: String::new(),
            allow_chunked_length: false,
            allow_absolute_url: true,
            http1_trailers: false,
            max_concurrent_streams: 1024,
            initial_stream_window: 16 * 1024 * 1024,
            initial_connection_window: 24 * 1024 * 1024,
            hpack_table_size: 4096,
            max_frame_size: 16_384,
            allow_extended_connect: false,
            max_control_frames: 10_000,
            reject_underscores: false,
            keep_case: false,
            proper_case: false,
            allow_custom_methods: false,
            stream_error_on_invalid: false,
            allow_connect: true,
        }
    }
}
