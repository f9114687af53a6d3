//! Active health checks.

use std::time::Duration;

use super::reader::{Read, Reader, bool_or};
use super::unset::{ignore_set, refuse_set};
use crate::cluster::{CheckIntervals, HealthCheck, HealthProbe};
use crate::pb::envoy::config::core::v3::{HealthCheck as Proto, health_check as proto};
use crate::pb::envoy::r#type::v3::{CodecClientType, Int64Range};
use proto::{HealthChecker, payload::Payload as PayloadKind};

/// Default of `no_traffic_interval`.
const NO_TRAFFIC: Duration = Duration::from_secs(60);

/// Reads a health check.
pub(crate) fn read(r: &mut Reader<'_>, proto: &Proto) -> Read<HealthCheck> {
    let Proto {
        timeout,
        interval,
        initial_jitter,
        interval_jitter,
        interval_jitter_percent,
        unhealthy_threshold,
        healthy_threshold,
        alt_port,
        reuse_connection,
        no_traffic_interval,
        no_traffic_healthy_interval,
        unhealthy_interval,
        unhealthy_edge_interval,
        healthy_edge_interval,
        event_log_path,
        event_logger,
        event_service,
        always_log_health_check_failures,
        always_log_health_check_success,
        tls_options,
        transport_socket_match_criteria,
        health_checker,
    } = proto;
    refuse_set!(r, "not implemented", alt_port, tls_options, transport_socket_match_criteria);
    ignore_set!(
        r,
        "there is no event log",
        event_log_path,
        event_logger,
        event_service,
        always_log_health_check_failures,
        always_log_health_check_success,
    );
    for (field, missing) in [
        ("timeout", timeout.is_none()),
        ("interval", interval.is_none()),
        ("unhealthy_threshold", unhealthy_threshold.is_none()),
        ("healthy_threshold", healthy_threshold.is_none()),
    ] {
        if missing {
            return Err(r.refuse(format!("{field} is required")));
        }
    }
    let healthy = r.positive("interval", interval.as_ref(), Duration::ZERO)?;
    let unhealthy = r.positive("unhealthy_interval", unhealthy_interval.as_ref(), healthy)?;
    let no_traffic = r.positive("no_traffic_interval", no_traffic_interval.as_ref(), NO_TRAFFIC)?;
    Ok(HealthCheck {
        timeout: r.positive("timeout", timeout.as_ref(), Duration::ZERO)?,
        intervals: CheckIntervals {
            healthy,
            unhealthy,
            unhealthy_edge: r.positive(
                "unhealthy_edge_interval",
                unhealthy_edge_interval.as_ref(),
                unhealthy,
            )?,
            healthy_edge: r.positive("healthy_edge_interval", healthy_edge_interval.as_ref(), healthy)?,
            no_traffic,
            no_traffic_healthy: r.positive(
                "no_traffic_healthy_interval",
                no_traffic_healthy_interval.as_ref(),
                no_traffic,
            )?,
            initial_jitter: r.duration("initial_jitter", initial_jitter.as_ref())?.unwrap_or_default(),
            jitter: r.duration("interval_jitter", interval_jitter.as_ref())?.unwrap_or_default(),
            jitter_percent: *interval_jitter_percent,
        },
        unhealthy_threshold: r
            .bounded("unhealthy_threshold", unhealthy_threshold.as_ref(), 1, 0..=u32::MAX)?
            .max(1),
        healthy_threshold: r
            .bounded("healthy_threshold", healthy_threshold.as_ref(), 1, 0..=u32::MAX)?
            .max(1),
        reuse_connection: bool_or(reuse_connection.as_ref(), true),
        probe: probe(r, health_checker.as_ref())?,
    })
}

fn probe(r: &mut Reader<'_>, proto: Option<&HealthChecker>) -> Read<HealthProbe> {
    match proto {
        Some(HealthChecker::HttpHealthCheck(check)) => r.within("http_health_check", |r| http(r, check)),
        Some(HealthChecker::TcpHealthCheck(check)) => r.within("tcp_health_check", |r| {
            let proto::TcpHealthCheck { send, receive, proxy_protocol_config } = check;
            refuse_set!(r, "not implemented", proxy_protocol_config);
            Ok(HealthProbe::Tcp {
                send: r.maybe("send", send.as_ref(), payload)?.unwrap_or_default(),
                receive: r.each("receive", receive, payload)?,
            })
        }),
        Some(HealthChecker::GrpcHealthCheck(check)) => r.within("grpc_health_check", |r| {
            let proto::GrpcHealthCheck { service_name, authority, initial_metadata } = check;
            refuse_set!(r, "not implemented", initial_metadata);
            Ok(HealthProbe::Grpc {
                service: service_name.as_str().into(),
                authority: authority.as_str().into(),
            })
        }),
        Some(HealthChecker::CustomHealthCheck(_)) => {
            Err(r.refuse_at("custom_health_check", "not implemented"))
        }
        None => Err(r.refuse("a health checker is required")),
    }
}

fn http(r: &mut Reader<'_>, proto: &proto::HttpHealthCheck) -> Read<HealthProbe> {
    let proto::HttpHealthCheck {
        host,
        path,
        send,
        receive,
        response_buffer_size,
        request_headers_to_add,
        request_headers_to_remove,
        expected_statuses,
        retriable_statuses,
        codec_client_type,
        service_name_matcher,
        method,
    } = proto;
    refuse_set!(
        r,
        "not implemented",
        send,
        receive,
        request_headers_to_add,
        request_headers_to_remove,
        service_name_matcher,
    );
    ignore_set!(r, "bodies are not looked at", response_buffer_size);
    let http2 = match r.choice("codec_client_type", *codec_client_type)? {
        CodecClientType::Http1 => false,
        CodecClientType::Http2 => true,
        CodecClientType::Http3 => {
            return Err(r.refuse_at("codec_client_type", "HTTP/3 is not implemented"));
        }
    };
    // 0 is unspecified and 1 is GET: the same.
    if !matches!(method, 0 | 1) {
        return Err(r.refuse_at("method", "only GET is implemented"));
    }
    let expected = r.each("expected_statuses", expected_statuses, statuses)?;
    let retriable = r.each("retriable_statuses", retriable_statuses, statuses)?;
    super::headers::check_value(r, "host", host)?;
    Ok(HealthProbe::Http {
        http2,
        host: host.as_str().into(),
        path: r.text("path", path)?.into(),
        expected: if expected.is_empty() { vec![(200, 201)] } else { expected },
        retriable,
    })
}

fn statuses(r: &mut Reader<'_>, Int64Range { start, end }: &Int64Range) -> Read<(u16, u16)> {
    match (u16::try_from(*start), u16::try_from(*end)) {
        (Ok(start), Ok(end)) if (100..end).contains(&start) && end <= 600 => Ok((start, end)),
        _ => Err(r.refuse("not a range of statuses")),
    }
}

fn payload(r: &mut Reader<'_>, proto: &proto::Payload) -> Read<Vec<u8>> {
    let proto::Payload { payload } = proto;
    match payload {
        Some(PayloadKind::Text(text)) => {
            hex(text).ok_or_else(|| r.refuse_at("text", "not an even number of hexadecimal digits"))
        }
        Some(PayloadKind::Binary(bytes)) => Ok(bytes.clone()),
        None => Err(r.refuse("a payload is required")),
    }
}

/// Decodes hexadecimal digits.
pub(crate) fn hex(text: &str) -> Option<Vec<u8>> {
    let digit = |b: u8| char::from(b).to_digit(16).and_then(|d| u8::try_from(d).ok());
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| if let [a, b] = pair { Some(digit(*a)? << 4 | digit(*b)?) } else { None }).collect()
}
