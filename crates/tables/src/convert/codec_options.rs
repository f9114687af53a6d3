//! Options of the HTTP codecs.

use std::time::Duration;

use super::reader::{Read, Reader, bool_or, holds, u32_or};
use super::share;
use super::unset::{ignore_set, refuse_set};
use crate::hcm::{CodecOptions, HeaderCase, Underscores};
use crate::pb::envoy::config::core::v3::{self as core, http_protocol_options, http1_protocol_options};
use crate::pb::envoy::extensions::http::header_formatters::preserve_case::v3::{
    PreserveCaseFormatterConfig, preserve_case_formatter_config::FormatterTypeOnEnvoyHeaders,
};
use http_protocol_options::HeadersWithUnderscoresAction;
use http1_protocol_options::header_key_format::{HeaderFormat, ProperCaseWords};

/// Default of `idle_timeout`.
const IDLE_TIMEOUT: Duration = Duration::from_secs(3600);
/// Largest value of HTTP/2 settings (RFC 9113 section 6.5.2).
const MAX_SETTING: u32 = 0x7fff_ffff;
/// Least HTTP/2 window that Envoy takes.
const MIN_WINDOW: u32 = 65_535;
/// Why limits against floods have no effect.
const OWN_LIMITS: &str = "the codec has limits of its own against floods";

/// The part of `HttpProtocolOptions` that does not belong to a codec.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Common {
    /// Idle time of a connection; `None`: no limit.
    pub(crate) idle_timeout: Option<Duration>,
    /// Longest life of a connection.
    pub(crate) max_connection_duration: Option<Duration>,
    /// Longest life of a stream.
    pub(crate) max_stream_duration: Option<Duration>,
    /// Most requests on a connection; 0: no limit.
    pub(crate) max_requests_per_connection: u32,
    /// Fields with underscores in their names.
    pub(crate) underscores: Underscores,
}

impl Default for Common {
    fn default() -> Self {
        Self {
            idle_timeout: Some(IDLE_TIMEOUT),
            max_connection_duration: None,
            max_stream_duration: None,
            max_requests_per_connection: 0,
            underscores: Underscores::Allow,
        }
    }
}

/// Reads what all versions share.
pub(crate) fn common(
    r: &mut Reader<'_>,
    proto: &core::HttpProtocolOptions,
    options: &mut CodecOptions,
) -> Read<Common> {
    let core::HttpProtocolOptions {
        idle_timeout,
        max_connection_duration,
        max_connection_duration_jitter,
        max_headers_count,
        max_response_headers_kb,
        max_stream_duration,
        headers_with_underscores_action,
        max_requests_per_connection,
    } = proto;
    ignore_set!(r, "connections drain at the limit itself", max_connection_duration_jitter);
    options.max_headers_count =
        r.bounded("max_headers_count", max_headers_count.as_ref(), 100, 1..=u32::MAX)?;
    options.max_headers_kb = r.bounded(
        "max_response_headers_kb",
        max_response_headers_kb.as_ref(),
        options.max_headers_kb,
        1..=8192,
    )?;
    Ok(Common {
        idle_timeout: r.limit("idle_timeout", idle_timeout.as_ref(), Some(IDLE_TIMEOUT))?,
        max_connection_duration: r.limit(
            "max_connection_duration",
            max_connection_duration.as_ref(),
            None,
        )?,
        max_stream_duration: r.limit("max_stream_duration", max_stream_duration.as_ref(), None)?,
        max_requests_per_connection: u32_or(max_requests_per_connection.as_ref(), 0),
        underscores: match r.choice("headers_with_underscores_action", *headers_with_underscores_action)? {
            HeadersWithUnderscoresAction::Allow => Underscores::Allow,
            HeadersWithUnderscoresAction::RejectRequest => Underscores::Reject,
            HeadersWithUnderscoresAction::DropHeader => Underscores::Drop,
        },
    })
}

/// Reads the options of HTTP/1.
pub(crate) fn http1(
    r: &mut Reader<'_>,
    proto: &core::Http1ProtocolOptions,
    options: &mut CodecOptions,
) -> Read<()> {
    let core::Http1ProtocolOptions {
        allow_absolute_url,
        accept_http_10,
        default_host_for_http_10,
        header_key_format,
        enable_trailers,
        allow_chunked_length,
        override_stream_error_on_invalid_http_message,
        send_fully_qualified_url,
        use_balsa_parser,
        allow_custom_methods,
        ignore_http_11_upgrade,
    } = proto;
    refuse_set!(r, "not implemented", send_fully_qualified_url, ignore_http_11_upgrade);
    ignore_set!(r, "there is one HTTP/1 parser", use_balsa_parser);
    options.allow_absolute_url = bool_or(allow_absolute_url.as_ref(), true);
    options.accept_http10 = *accept_http_10;
    options.default_host_http10 = default_host_for_http_10.as_str().into();
    options.http1_trailers = *enable_trailers;
    options.allow_chunked_length = *allow_chunked_length;
    options.allow_custom_methods = *allow_custom_methods;
    if let Some(flag) = override_stream_error_on_invalid_http_message {
        options.http1_stream_error_on_invalid = flag.value;
    }
    if let Some(format) = header_key_format {
        options.header_case = r.within("header_key_format", |r| header_case(r, format))?;
    }
    Ok(())
}

fn header_case(r: &mut Reader<'_>, proto: &http1_protocol_options::HeaderKeyFormat) -> Read<HeaderCase> {
    let http1_protocol_options::HeaderKeyFormat { header_format } = proto;
    match header_format {
        Some(HeaderFormat::ProperCaseWords(ProperCaseWords {})) => Ok(HeaderCase::Proper),
        Some(HeaderFormat::StatefulFormatter(extension)) => {
            r.within("stateful_formatter", |r| match extension.typed_config.as_ref() {
                Some(any) if holds::<PreserveCaseFormatterConfig>(any) => r.within("typed_config", |r| {
                    r.unpack(any, |r, config| {
                        let PreserveCaseFormatterConfig {
                            forward_reason_phrase,
                            formatter_type_on_envoy_headers,
                        } = config;
                        ignore_set!(r, "reason phrases are the standard ones", forward_reason_phrase);
                        let own: FormatterTypeOnEnvoyHeaders =
                            r.choice("formatter_type_on_envoy_headers", *formatter_type_on_envoy_headers)?;
                        if own == FormatterTypeOnEnvoyHeaders::ProperCase {
                            r.ignore_at("formatter_type_on_envoy_headers", "own fields are in lower case");
                        }
                        Ok(HeaderCase::Preserve)
                    })
                }),
                _ => Err(r.refuse("only the formatter that preserves case is implemented")),
            })
        }
        None => Err(r.refuse("a header format is required")),
    }
}

/// Reads the options of HTTP/2.
pub(crate) fn http2(
    r: &mut Reader<'_>,
    proto: &core::Http2ProtocolOptions,
    options: &mut CodecOptions,
) -> Read<()> {
    let core::Http2ProtocolOptions {
        hpack_table_size,
        max_concurrent_streams,
        initial_stream_window_size,
        initial_connection_window_size,
        allow_connect,
        allow_metadata,
        max_outbound_frames,
        max_outbound_control_frames,
        max_consecutive_inbound_frames_with_empty_payload,
        max_inbound_priority_frames_per_stream,
        max_inbound_window_update_frames_per_data_frame_sent,
        stream_error_on_invalid_http_messaging,
        override_stream_error_on_invalid_http_message,
        custom_settings_parameters,
        connection_keepalive,
        use_oghttp2_codec,
        max_metadata_size,
        enable_huffman_encoding,
        max_header_field_size_kb,
        disallow_obs_text,
        stream_reset_burst,
        stream_reset_rate,
    } = proto;
    refuse_set!(r, "not implemented", allow_metadata, custom_settings_parameters, disallow_obs_text);
    ignore_set!(
        r,
        OWN_LIMITS,
        max_outbound_frames,
        max_outbound_control_frames,
        max_consecutive_inbound_frames_with_empty_payload,
        max_inbound_priority_frames_per_stream,
        max_inbound_window_update_frames_per_data_frame_sent,
        max_metadata_size,
        max_header_field_size_kb,
        stream_reset_burst,
        stream_reset_rate,
    );
    ignore_set!(r, "it changes no outcome", use_oghttp2_codec, enable_huffman_encoding);
    let defaults = CodecOptions::default();
    options.hpack_table_size = u32_or(hpack_table_size.as_ref(), defaults.hpack_table_size);
    options.max_concurrent_streams = r.bounded(
        "max_concurrent_streams",
        max_concurrent_streams.as_ref(),
        defaults.max_concurrent_streams,
        1..=MAX_SETTING,
    )?;
    options.initial_stream_window = r.bounded(
        "initial_stream_window_size",
        initial_stream_window_size.as_ref(),
        defaults.initial_stream_window,
        MIN_WINDOW..=MAX_SETTING,
    )?;
    options.initial_connection_window = r.bounded(
        "initial_connection_window_size",
        initial_connection_window_size.as_ref(),
        defaults.initial_connection_window,
        MIN_WINDOW..=MAX_SETTING,
    )?;
    options.allow_connect = *allow_connect;
    options.stream_error_on_invalid = match override_stream_error_on_invalid_http_message {
        Some(flag) => flag.value,
        None => options.stream_error_on_invalid || *stream_error_on_invalid_http_messaging,
    };
    options.keepalive = r.maybe("connection_keepalive", connection_keepalive.as_ref(), keepalive)?.flatten();
    Ok(())
}

fn keepalive(r: &mut Reader<'_>, proto: &core::KeepaliveSettings) -> Read<Option<(Duration, Duration)>> {
    let core::KeepaliveSettings { interval, timeout, interval_jitter, connection_idle_interval } = proto;
    ignore_set!(r, "pings are sent at the interval alone", connection_idle_interval);
    r.maybe("interval_jitter", interval_jitter.as_ref(), share::percent)?;
    if timeout.is_none() {
        return Err(r.refuse("timeout is required"));
    }
    let timeout = r.positive("timeout", timeout.as_ref(), Duration::ZERO)?;
    if interval.is_none() {
        return Ok(None);
    }
    Ok(Some((r.positive("interval", interval.as_ref(), Duration::ZERO)?, timeout)))
}
