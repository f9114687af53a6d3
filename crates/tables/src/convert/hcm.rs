//! The HTTP connection manager.

use std::time::Duration;

use super::codec_options::{self, Common};
use super::http_filter::{self, Position};
use super::reader::{Read, Reader, bool_or, holds};
use super::unset::{ignore_set, refuse_set};
use super::{access_log, headers, local_reply, matcher, route_source};
use crate::hcm::{
    CodecOptions, CodecType, EscapedSlashes, HttpManager, InternalAddresses, ServerHeader, StripPort,
    Upgrade, Xfcc, XfccMode,
};
use crate::pb::envoy::config::core::v3::scheme_header_transformation::Transformation;
use crate::pb::envoy::config::core::v3::{
    Http1ProtocolOptions, Http2ProtocolOptions, HttpProtocolOptions, SchemeHeaderTransformation,
};
use crate::pb::envoy::extensions::filters::network::http_connection_manager::v3::{
    self as proto, http_connection_manager as hcm,
};
use crate::pb::envoy::extensions::request_id::uuid::v3::UuidRequestIdConfig;
use crate::pb::google::protobuf::UInt32Value;
use hcm::{ForwardClientCertDetails, PathWithEscapedSlashesAction, ServerHeaderTransformation};
use weft_match::CidrSet;

/// Default of `stream_idle_timeout`.
const STREAM_IDLE_TIMEOUT: Duration = Duration::from_secs(300);
/// Default of `drain_timeout`.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);
/// Default of `delayed_close_timeout`.
const DELAYED_CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// Reads a connection manager.
pub(crate) fn read(r: &mut Reader<'_>, proto: &proto::HttpConnectionManager) -> Read<HttpManager> {
    let proto::HttpConnectionManager {
        codec_type,
        stat_prefix,
        http_filters,
        add_user_agent,
        tracing,
        common_http_protocol_options,
        http1_safe_max_connection_duration,
        http_protocol_options,
        http2_protocol_options,
        http3_protocol_options,
        server_name,
        server_header_transformation,
        scheme_header_transformation,
        max_request_headers_kb,
        stream_idle_timeout,
        stream_flush_timeout,
        request_timeout,
        request_headers_timeout,
        drain_timeout,
        drain_timeout_jitter,
        delayed_close_timeout,
        access_log,
        access_log_flush_interval,
        flush_access_log_on_new_request,
        access_log_options,
        use_remote_address,
        xff_num_trusted_hops,
        original_ip_detection_extensions,
        early_header_mutation_extensions,
        internal_address_config,
        skip_xff_append,
        via,
        generate_request_id,
        preserve_external_request_id,
        always_set_request_id_in_response,
        forward_client_cert_details,
        set_current_client_cert_details,
        forward_client_cert_matcher,
        proxy_100_continue,
        represent_ipv4_remote_address_as_ipv4_mapped_ipv6,
        upgrade_configs,
        normalize_path,
        merge_slashes,
        path_with_escaped_slashes_action,
        request_id_extension,
        local_reply_config,
        strip_matching_host_port,
        stream_error_on_invalid_http_message,
        path_normalization_options,
        strip_trailing_host_dot,
        proxy_status_config,
        typed_header_validation_config,
        append_x_forwarded_port,
        append_local_overload,
        add_proxy_protocol_connection_state,
        forward_proto_config,
        route_specifier,
        strip_port_mode,
    } = proto;
    refuse_set!(
        r,
        "not implemented",
        stream_flush_timeout,
        original_ip_detection_extensions,
        early_header_mutation_extensions,
        forward_client_cert_matcher,
        represent_ipv4_remote_address_as_ipv4_mapped_ipv6,
        path_normalization_options,
        typed_header_validation_config,
        forward_proto_config,
    );
    ignore_set!(r, "there is no tracer", tracing);
    ignore_set!(r, "HTTP/3 is not served", http3_protocol_options);
    ignore_set!(
        r,
        "connections drain at the limit itself",
        http1_safe_max_connection_duration,
        drain_timeout_jitter
    );
    ignore_set!(
        r,
        "a request is logged when it ends",
        access_log_flush_interval,
        flush_access_log_on_new_request,
        access_log_options,
    );
    ignore_set!(r, "the header is not added", proxy_status_config, append_local_overload);
    ignore_set!(r, "nothing reads it", add_proxy_protocol_connection_state);
    if let Some(extension) = request_id_extension
        && !extension.typed_config.as_ref().is_some_and(holds::<UuidRequestIdConfig>)
    {
        r.refuse_at("request_id_extension", "request ids are UUIDs");
    }

    let codec = match r.choice("codec_type", *codec_type)? {
        hcm::CodecType::Auto => CodecType::Auto,
        hcm::CodecType::Http1 => CodecType::Http1,
        hcm::CodecType::Http2 => CodecType::Http2,
        hcm::CodecType::Http3 => return Err(r.refuse_at("codec_type", "HTTP/3 is not implemented")),
    };
    let codecs = Codecs {
        common: common_http_protocol_options.as_ref(),
        http1: http_protocol_options.as_ref(),
        http2: http2_protocol_options.as_ref(),
        max_headers_kb: max_request_headers_kb.as_ref(),
        stream_error: bool_or(stream_error_on_invalid_http_message.as_ref(), false),
    };
    let (options, common) = codec_options(r, &codecs)?;
    let routes = route_source::read(r, route_specifier.as_ref());
    let (filters, router) = http_filter::chain(r, "http_filters", http_filters, Position::Downstream)?;
    Ok(HttpManager {
        stat_prefix: r.text("stat_prefix", stat_prefix)?.into(),
        codec,
        routes: routes?,
        filters,
        router,
        access_log: access_log::list(r, "access_log", access_log)?,
        options,
        use_remote_address: bool_or(use_remote_address.as_ref(), false),
        xff_trusted_hops: *xff_num_trusted_hops,
        skip_xff_append: *skip_xff_append,
        internal_addresses: r.maybe("internal_address_config", internal_address_config.as_ref(), internal)?,
        append_x_forwarded_port: *append_x_forwarded_port,
        via: checked(r, "via", via)?,
        server_name: match &*checked(r, "server_name", server_name)? {
            "" => "envoy".into(),
            name => name.into(),
        },
        server_header: match r.choice("server_header_transformation", *server_header_transformation)? {
            ServerHeaderTransformation::Overwrite => ServerHeader::Overwrite,
            ServerHeaderTransformation::AppendIfAbsent => ServerHeader::AppendIfAbsent,
            ServerHeaderTransformation::PassThrough => ServerHeader::PassThrough,
        },
        generate_request_id: bool_or(generate_request_id.as_ref(), true),
        preserve_external_request_id: *preserve_external_request_id,
        request_id_in_response: *always_set_request_id_in_response,
        request_timeout: r.limit("request_timeout", request_timeout.as_ref(), None)?,
        request_headers_timeout: r.limit(
            "request_headers_timeout",
            request_headers_timeout.as_ref(),
            None,
        )?,
        stream_idle_timeout: r.limit(
            "stream_idle_timeout",
            stream_idle_timeout.as_ref(),
            Some(STREAM_IDLE_TIMEOUT),
        )?,
        idle_timeout: common.idle_timeout,
        max_connection_duration: common.max_connection_duration,
        max_stream_duration: common.max_stream_duration,
        max_requests_per_connection: common.max_requests_per_connection,
        drain_timeout: r.duration("drain_timeout", drain_timeout.as_ref())?.unwrap_or(DRAIN_TIMEOUT),
        delayed_close_timeout: r
            .duration("delayed_close_timeout", delayed_close_timeout.as_ref())?
            .unwrap_or(DELAYED_CLOSE_TIMEOUT),
        xfcc: xfcc(r, *forward_client_cert_details, set_current_client_cert_details.as_ref())?,
        normalize_path: bool_or(normalize_path.as_ref(), false),
        merge_slashes: *merge_slashes,
        escaped_slashes: match r
            .choice("path_with_escaped_slashes_action", *path_with_escaped_slashes_action)?
        {
            PathWithEscapedSlashesAction::ImplementationSpecificDefault
            | PathWithEscapedSlashesAction::KeepUnchanged => EscapedSlashes::Keep,
            PathWithEscapedSlashesAction::RejectRequest => EscapedSlashes::Reject,
            PathWithEscapedSlashesAction::UnescapeAndRedirect => EscapedSlashes::UnescapeAndRedirect,
            PathWithEscapedSlashesAction::UnescapeAndForward => EscapedSlashes::UnescapeAndForward,
        },
        underscores: common.underscores,
        strip_port: match (strip_port_mode, *strip_matching_host_port) {
            (Some(hcm::StripPortMode::StripAnyHostPort(true)), false) => StripPort::Any,
            (Some(hcm::StripPortMode::StripAnyHostPort(true)), true) => {
                return Err(r.refuse_at("strip_any_host_port", "not together with strip_matching_host_port"));
            }
            (_, true) => StripPort::Matching,
            (_, false) => StripPort::Keep,
        },
        strip_trailing_host_dot: *strip_trailing_host_dot,
        upgrades: upgrades(r, upgrade_configs)?,
        proxy_100_continue: *proxy_100_continue,
        add_user_agent: bool_or(add_user_agent.as_ref(), false),
        force_scheme: r
            .maybe("scheme_header_transformation", scheme_header_transformation.as_ref(), scheme)?
            .flatten(),
        local_reply: r
            .maybe("local_reply_config", local_reply_config.as_ref(), local_reply::read)?
            .unwrap_or_default(),
        provenance: None,
    })
}

/// The fields that become options of the codecs.
struct Codecs<'p> {
    common: Option<&'p HttpProtocolOptions>,
    http1: Option<&'p Http1ProtocolOptions>,
    http2: Option<&'p Http2ProtocolOptions>,
    max_headers_kb: Option<&'p UInt32Value>,
    stream_error: bool,
}

fn codec_options(r: &mut Reader<'_>, proto: &Codecs<'_>) -> Read<(CodecOptions, Common)> {
    let mut options = CodecOptions {
        stream_error_on_invalid: proto.stream_error,
        http1_stream_error_on_invalid: proto.stream_error,
        ..CodecOptions::default()
    };
    let common = r.maybe("common_http_protocol_options", proto.common, |r, p| {
        codec_options::common(r, p, &mut options)
    })?;
    options.max_headers_kb = r.bounded("max_request_headers_kb", proto.max_headers_kb, 60, 1..=8192)?;
    r.maybe("http_protocol_options", proto.http1, |r, p| codec_options::http1(r, p, &mut options))?;
    r.maybe("http2_protocol_options", proto.http2, |r, p| codec_options::http2(r, p, &mut options))?;
    Ok((options, common.unwrap_or_default()))
}

fn internal(r: &mut Reader<'_>, proto: &hcm::InternalAddressConfig) -> Read<InternalAddresses> {
    let hcm::InternalAddressConfig { unix_sockets, cidr_ranges } = proto;
    Ok(InternalAddresses {
        unix_sockets: *unix_sockets,
        ranges: CidrSet::new(r.each("cidr_ranges", cidr_ranges, matcher::range)?),
    })
}

fn xfcc(r: &mut Reader<'_>, mode: i32, proto: Option<&hcm::SetCurrentClientCertDetails>) -> Read<Xfcc> {
    let mode = match r.choice("forward_client_cert_details", mode)? {
        ForwardClientCertDetails::Sanitize => XfccMode::Sanitize,
        ForwardClientCertDetails::ForwardOnly => XfccMode::ForwardOnly,
        ForwardClientCertDetails::AppendForward => XfccMode::AppendForward,
        ForwardClientCertDetails::SanitizeSet => XfccMode::SanitizeSet,
        ForwardClientCertDetails::AlwaysForwardOnly => XfccMode::AlwaysForwardOnly,
    };
    let details = r.maybe("set_current_client_cert_details", proto, |r, details| {
        let hcm::SetCurrentClientCertDetails { subject, cert, chain, dns, uri, issuer, format } = details;
        refuse_set!(r, "not implemented", issuer, format);
        let subject = bool_or(subject.as_ref(), false);
        Ok(Xfcc { mode, subject, cert: *cert, chain: *chain, dns: *dns, uri: *uri })
    })?;
    Ok(details.unwrap_or(Xfcc { mode, ..Xfcc::default() }))
}

fn upgrades(r: &mut Reader<'_>, protos: &[hcm::UpgradeConfig]) -> Read<Vec<Upgrade>> {
    let upgrades = r.each("upgrade_configs", protos, upgrade)?;
    for (index, one) in upgrades.iter().enumerate() {
        if upgrades.iter().take(index).any(|other| other.token == one.token) {
            return Err(
                r.item("upgrade_configs", index, |r| r.refuse(format!("{} is there twice", one.token)))
            );
        }
    }
    Ok(upgrades)
}

fn upgrade(r: &mut Reader<'_>, proto: &hcm::UpgradeConfig) -> Read<Upgrade> {
    let hcm::UpgradeConfig { upgrade_type, filters, enabled } = proto;
    refuse_set!(r, "upgraded requests go through the same filters", filters);
    Ok(Upgrade {
        token: r.text("upgrade_type", upgrade_type)?.to_ascii_lowercase().into(),
        enabled: bool_or(enabled.as_ref(), true),
    })
}

fn scheme(r: &mut Reader<'_>, proto: &SchemeHeaderTransformation) -> Read<Option<Box<str>>> {
    let SchemeHeaderTransformation { match_upstream, transformation } = proto;
    refuse_set!(r, "not implemented", match_upstream);
    match transformation {
        None => Ok(None),
        Some(Transformation::SchemeToOverwrite(scheme)) if matches!(scheme.as_str(), "http" | "https") => {
            Ok(Some(scheme.as_str().into()))
        }
        Some(Transformation::SchemeToOverwrite(_)) => {
            Err(r.refuse_at("scheme_to_overwrite", "must be http or https"))
        }
    }
}

fn checked(r: &mut Reader<'_>, field: &'static str, value: &str) -> Read<Box<str>> {
    headers::check_value(r, field, value)?;
    Ok(value.into())
}
