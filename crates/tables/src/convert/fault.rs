//! Fault injection.

use std::time::Duration;

use weft_types::FractionalPercent;

use super::reader::{Read, Reader};
use super::unset::{ignore_set, refuse_set};
use super::{matcher, share};
use crate::filter::{AbortKind, Fault, FaultAbort, FaultDelay};
use crate::pb::envoy::extensions::filters::common::fault::v3 as common;
use crate::pb::envoy::extensions::filters::http::fault::v3::{self as proto, fault_abort::ErrorType};
use common::fault_delay::FaultDelaySecifier;

/// Reads the filter's configuration.
pub(crate) fn read(r: &mut Reader<'_>, proto: &proto::HttpFault) -> Read<Fault> {
    let proto::HttpFault {
        delay,
        abort,
        upstream_cluster,
        headers,
        downstream_nodes,
        max_active_faults,
        response_rate_limit,
        delay_percent_runtime,
        abort_percent_runtime,
        delay_duration_runtime,
        abort_http_status_runtime,
        max_active_faults_runtime,
        response_rate_limit_percent_runtime,
        abort_grpc_status_runtime,
        disable_downstream_cluster_stats,
        filter_metadata,
    } = proto;
    refuse_set!(r, "not implemented", response_rate_limit);
    ignore_set!(
        r,
        "there is no runtime: the value of the configuration holds",
        delay_percent_runtime,
        abort_percent_runtime,
        delay_duration_runtime,
        abort_http_status_runtime,
        max_active_faults_runtime,
        response_rate_limit_percent_runtime,
        abort_grpc_status_runtime,
    );
    ignore_set!(r, "it only changes counters", disable_downstream_cluster_stats);
    ignore_set!(r, "nothing reads it", filter_metadata);
    let delay = r.maybe("delay", delay.as_ref(), read_delay)?;
    let abort = r.maybe("abort", abort.as_ref(), read_abort)?;
    Ok(Fault {
        headers: r.each("headers", headers, matcher::header)?,
        upstream_cluster: upstream_cluster.as_str().into(),
        downstream_nodes: downstream_nodes.iter().map(|n| n.as_str().into()).collect(),
        max_active: max_active_faults.as_ref().map(|v| v.value),
        delay,
        abort,
    })
}

fn percentage(
    r: &mut Reader<'_>,
    proto: Option<&crate::pb::envoy::r#type::v3::FractionalPercent>,
) -> Read<FractionalPercent> {
    Ok(r.maybe("percentage", proto, share::fraction)?.unwrap_or(FractionalPercent::NEVER))
}

fn read_delay(r: &mut Reader<'_>, proto: &common::FaultDelay) -> Read<FaultDelay> {
    let common::FaultDelay { percentage: share, fault_delay_secifier } = proto;
    let fixed = match fault_delay_secifier {
        Some(FaultDelaySecifier::FixedDelay(delay)) => {
            Some(r.positive("fixed_delay", Some(delay), Duration::ZERO)?)
        }
        Some(FaultDelaySecifier::HeaderDelay(common::fault_delay::HeaderDelay {})) => None,
        None => return Err(r.refuse("fixed_delay or header_delay is required")),
    };
    Ok(FaultDelay { fixed, share: percentage(r, share.as_ref())? })
}

fn read_abort(r: &mut Reader<'_>, proto: &proto::FaultAbort) -> Read<FaultAbort> {
    let proto::FaultAbort { percentage: share, response_body, error_type } = proto;
    refuse_set!(r, "not implemented", response_body);
    let kind = match error_type {
        Some(ErrorType::HttpStatus(status)) => match u16::try_from(*status) {
            Ok(code) if (200..600).contains(&code) => AbortKind::Http(code),
            _ => return Err(r.refuse_at("http_status", format!("{status} is outside 200..=599"))),
        },
        Some(ErrorType::GrpcStatus(status)) => AbortKind::Grpc(*status),
        Some(ErrorType::HeaderAbort(proto::fault_abort::HeaderAbort {})) => AbortKind::Header,
        None => return Err(r.refuse("http_status, grpc_status or header_abort is required")),
    };
    Ok(FaultAbort { kind, share: percentage(r, share.as_ref())? })
}
