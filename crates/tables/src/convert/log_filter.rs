//! Which requests a log records.

use weft_types::{FractionalPercent, ResponseFlag};

use super::reader::{Read, Reader};
use super::unset::ignore_set;
use super::{matcher, share};
use crate::access_log::{Comparison, LogFilter};
use crate::pb::envoy::config::accesslog::v3::{self as proto, access_log_filter::FilterSpecifier};
use crate::pb::envoy::config::core::v3::RuntimeUInt32;

/// Reads a filter; `None`: it cannot be evaluated here.
pub(crate) fn read(r: &mut Reader<'_>, proto: &proto::AccessLogFilter) -> Read<Option<LogFilter>> {
    let proto::AccessLogFilter { filter_specifier } = proto;
    Ok(Some(match filter_specifier {
        Some(FilterSpecifier::StatusCodeFilter(proto::StatusCodeFilter { comparison })) => {
            let (op, value) = r.within("status_code_filter", |r| comparison_of(r, comparison.as_ref()))?;
            LogFilter::Status(op, value)
        }
        Some(FilterSpecifier::DurationFilter(proto::DurationFilter { comparison })) => {
            let (op, value) = r.within("duration_filter", |r| comparison_of(r, comparison.as_ref()))?;
            LogFilter::Duration(op, value)
        }
        Some(FilterSpecifier::NotHealthCheckFilter(proto::NotHealthCheckFilter {})) => {
            LogFilter::NotHealthCheck
        }
        Some(FilterSpecifier::TraceableFilter(proto::TraceableFilter {})) => LogFilter::Traceable,
        Some(FilterSpecifier::RuntimeFilter(filter)) => r.within("runtime_filter", |r| {
            let proto::RuntimeFilter { runtime_key, percent_sampled, use_independent_randomness } = filter;
            share::runtime_key_unused(r, runtime_key);
            ignore_set!(r, "each line draws for itself", use_independent_randomness);
            let sampled = r.maybe("percent_sampled", percent_sampled.as_ref(), share::fraction)?;
            Ok(LogFilter::Runtime(sampled.unwrap_or(FractionalPercent::NEVER)))
        })?,
        Some(FilterSpecifier::AndFilter(proto::AndFilter { filters })) => {
            return Ok(r.within("and_filter", |r| several(r, filters))?.map(LogFilter::And));
        }
        Some(FilterSpecifier::OrFilter(proto::OrFilter { filters })) => {
            return Ok(r.within("or_filter", |r| several(r, filters))?.map(LogFilter::Or));
        }
        Some(FilterSpecifier::HeaderFilter(proto::HeaderFilter { header })) => LogFilter::Header(
            r.within("header_filter", |r| r.need("header", header.as_ref(), matcher::header))?,
        ),
        Some(FilterSpecifier::ResponseFlagFilter(proto::ResponseFlagFilter { flags })) => {
            let known = |r: &mut Reader<'_>, text: &String| {
                let flag = ResponseFlag::ALL.iter().copied().find(|flag| flag.short() == text);
                flag.ok_or_else(|| r.refuse(format!("{text:?} is not a response flag")))
            };
            LogFilter::Flags(r.within("response_flag_filter", |r| r.each("flags", flags, known))?)
        }
        Some(FilterSpecifier::GrpcStatusFilter(proto::GrpcStatusFilter { statuses, exclude })) => {
            let code = |r: &mut Reader<'_>, status: &i32| {
                u32::try_from(*status).ok().filter(|c| *c <= 16).ok_or_else(|| r.refuse("not a gRPC status"))
            };
            LogFilter::GrpcStatus {
                codes: r.within("grpc_status_filter", |r| r.each("statuses", statuses, code))?,
                exclude: *exclude,
            }
        }
        Some(FilterSpecifier::ExtensionFilter(_)) => return Ok(unknown(r, "extension_filter")),
        Some(FilterSpecifier::MetadataFilter(_)) => return Ok(unknown(r, "metadata_filter")),
        Some(FilterSpecifier::LogTypeFilter(_)) => return Ok(unknown(r, "log_type_filter")),
        None => return Err(r.refuse("a filter needs a specifier")),
    }))
}

fn unknown(r: &mut Reader<'_>, field: &'static str) -> Option<LogFilter> {
    r.ignore_at(field, "not implemented: what depends on this filter is left out");
    None
}

fn several(r: &mut Reader<'_>, filters: &[proto::AccessLogFilter]) -> Read<Option<Vec<LogFilter>>> {
    if filters.len() < 2 {
        return Err(r.refuse("at least two filters are required"));
    }
    Ok(r.each("filters", filters, read)?.into_iter().collect())
}

fn comparison_of(r: &mut Reader<'_>, proto: Option<&proto::ComparisonFilter>) -> Read<(Comparison, u32)> {
    r.need("comparison", proto, |r, proto::ComparisonFilter { op, value }| {
        let op = match r.choice("op", *op)? {
            proto::comparison_filter::Op::Eq => Comparison::Equal,
            proto::comparison_filter::Op::Ge => Comparison::AtLeast,
            proto::comparison_filter::Op::Le => Comparison::AtMost,
            proto::comparison_filter::Op::Ne => Comparison::NotEqual,
        };
        let value = r.need("value", value.as_ref(), |r, value| {
            let RuntimeUInt32 { default_value, runtime_key } = value;
            share::runtime_key_unused(r, runtime_key);
            Ok(*default_value)
        })?;
        Ok((op, value))
    })
}
