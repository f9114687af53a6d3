//! Codec limits from configuration.

use weft_codec::Limits;
use weft_tables::hcm::{CodecOptions, HeaderCase};

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
