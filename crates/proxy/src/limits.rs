//! Codec limits from configuration.

use weft_codec::Limits;
use weft_codec::http1::DEFAULT_RESPONSE_HEAD_BYTES;
use weft_tables::hcm::{CodecOptions, HeaderCase};

/// The limits toward a host. Envoy's HTTP/1 client takes heads of up to 80 KiB where nothing is said; that
/// the default was said is not told apart, and the larger limit does no harm.
pub(crate) fn of_upstream(options: &CodecOptions, http2: bool) -> Limits {
    let limits = of(options, true);
    if http2 || options.max_headers_kb != CodecOptions::default().max_headers_kb {
        return limits;
    }
    Limits { max_head_bytes: DEFAULT_RESPONSE_HEAD_BYTES, ..limits }
}

/// The limits of one side's codecs.
pub(crate) fn of(options: &CodecOptions, upstream: bool) -> Limits {
    Limits {
        max_head_bytes: options.max_headers_kb as usize * 1024,
        max_head_fields: options.max_headers_count as usize,
        // An upstream may always answer by HTTP/1.0.
        accept_http10: options.accept_http10 || upstream,
        default_host_for_http10: options.default_host_http10.to_string(),
        allow_chunked_length: options.allow_chunked_length,
        allow_absolute_url: options.allow_absolute_url,
        http1_trailers: options.http1_trailers,
        max_concurrent_streams: options.max_concurrent_streams,
        initial_stream_window: options.initial_stream_window,
        initial_connection_window: options.initial_connection_window,
        hpack_table_size: options.hpack_table_size,
        allow_extended_connect: options.allow_connect,
        keep_case: options.header_case == HeaderCase::Preserve,
        proper_case: options.header_case == HeaderCase::Proper,
        allow_custom_methods: options.allow_custom_methods,
        stream_error_on_invalid: options.stream_error_on_invalid,
        ..Limits::default()
    }
}
