//! Access logs.
//!
//! A log has no effect on routing, security or reliability: one that cannot be written here is
//! left out and noted, it refuses nothing. Bad formats are refused, as Envoy does.

use std::collections::HashMap;

use weft_types::{FractionalPercent, ResponseFlag};

use super::matcher;
use super::reader::{Read, Reader, holds, type_name};
use super::share;
use super::source;
use super::unset::ignore_set;
use crate::access_log::{AccessLog, Comparison, JsonField, LogFilter, LogFormat, LogSink};
use crate::pb::envoy::config::accesslog::v3::{self as proto, access_log_filter::FilterSpecifier};
use crate::pb::envoy::config::core::v3::{self as core, substitution_format_string::Format};
use crate::pb::envoy::extensions::access_loggers::file::v3::{
    FileAccessLog, file_access_log::AccessLogFormat,
};
use crate::pb::envoy::extensions::access_loggers::stream::v3::{
    StderrAccessLog, StdoutAccessLog, stderr_access_log, stdout_access_log,
};
use crate::pb::google::protobuf::{Any, Struct, Value, value::Kind};
use crate::route::Template;

/// Reads a list of logs.
pub(crate) fn list(
    r: &mut Reader<'_>,
    field: &'static str,
    protos: &[proto::AccessLog],
) -> Read<Vec<AccessLog>> {
    Ok(r.each(field, protos, read)?.into_iter().flatten().collect())
}

fn read(r: &mut Reader<'_>, proto: &proto::AccessLog) -> Read<Option<AccessLog>> {
    let proto::AccessLog { name: _, filter, config_type } = proto;
    let Some(proto::access_log::ConfigType::TypedConfig(any)) = config_type else {
        return Err(r.refuse("typed_config is required"));
    };
    let filter = match r.maybe("filter", filter.as_ref(), read_filter)? {
        // A log with a filter that cannot be evaluated would record what it should not.
        Some(None) => return Ok(None),
        other => other.flatten(),
    };
    let sink = r.within("typed_config", |r| sink(r, any))?;
    Ok(sink.map(|(sink, format)| AccessLog { filter, sink, format }))
}

fn sink(r: &mut Reader<'_>, any: &Any) -> Read<Option<(LogSink, LogFormat)>> {
    if holds::<FileAccessLog>(any) {
        return r.unpack(any, |r, FileAccessLog { path, access_log_format }| {
            let sink = match r.text("path", path)? {
                "/dev/stdout" => LogSink::Stdout,
                "/dev/stderr" => LogSink::Stderr,
                path => LogSink::File(path.into()),
            };
            let format = match access_log_format {
                None => LogFormat::Default,
                Some(AccessLogFormat::Format(text)) if text.is_empty() => LogFormat::Default,
                Some(AccessLogFormat::Format(text)) => text_format(r, "format", text)?,
                Some(AccessLogFormat::JsonFormat(json)) => json_format(r, "json_format", json)?,
                Some(AccessLogFormat::TypedJsonFormat(json)) => json_format(r, "typed_json_format", json)?,
                Some(AccessLogFormat::LogFormat(format)) => {
                    r.within("log_format", |r| formatted(r, format))?
                }
            };
            Ok(Some((sink, format)))
        });
    }
    if holds::<StdoutAccessLog>(any) {
        return r.unpack(any, |r, StdoutAccessLog { access_log_format }| {
            let format = access_log_format.as_ref().map(|stdout_access_log::AccessLogFormat::LogFormat(f)| f);
            let format = r.maybe("log_format", format, formatted)?;
            Ok(Some((LogSink::Stdout, format.unwrap_or(LogFormat::Default))))
        });
    }
    if holds::<StderrAccessLog>(any) {
        return r.unpack(any, |r, StderrAccessLog { access_log_format }| {
            let format = access_log_format.as_ref().map(|stderr_access_log::AccessLogFormat::LogFormat(f)| f);
            let format = r.maybe("log_format", format, formatted)?;
            Ok(Some((LogSink::Stderr, format.unwrap_or(LogFormat::Default))))
        });
    }
    r.ignore(format!("the access logger {:?} is not implemented: this log is not written", type_name(any)));
    Ok(None)
}

/// Reads a format with its options.
pub(crate) fn formatted(r: &mut Reader<'_>, proto: &core::SubstitutionFormatString) -> Read<LogFormat> {
    let core::SubstitutionFormatString {
        omit_empty_values,
        content_type,
        formatters,
        json_format_options,
        format,
    } = proto;
    ignore_set!(r, "missing values are written as - or null", omit_empty_values);
    ignore_set!(r, "a log has no content type", content_type);
    ignore_set!(r, "the built-in operators are the only ones", formatters);
    ignore_set!(r, "keys are always sorted", json_format_options);
    body(r, format.as_ref())
}

/// Reads the format itself.
pub(crate) fn body(r: &mut Reader<'_>, format: Option<&Format>) -> Read<LogFormat> {
    match format {
        Some(Format::TextFormat(text)) => text_format(r, "text_format", text),
        Some(Format::JsonFormat(json)) => json_format(r, "json_format", json),
        Some(Format::TextFormatSource(data)) => r.within("text_format_source", |r| {
            let text = source::text(r, data)?;
            check(r, &text)?;
            Ok(LogFormat::Text(text.into()))
        }),
        None => Err(r.refuse("a format is required")),
    }
}

fn text_format(r: &mut Reader<'_>, field: &'static str, text: &str) -> Read<LogFormat> {
    r.within(field, |r| check(r, text))?;
    Ok(LogFormat::Text(text.into()))
}

fn check(r: &mut Reader<'_>, text: &str) -> Read<()> {
    Template::parse(text).map(|_| ()).map_err(|error| r.refuse(error.to_string()))
}

fn json_format(r: &mut Reader<'_>, field: &'static str, proto: &Struct) -> Read<LogFormat> {
    Ok(LogFormat::Json(json_object(r, field, &proto.fields)?))
}

fn json_object(
    r: &mut Reader<'_>,
    at: &'static str,
    fields: &HashMap<String, Value>,
) -> Read<Vec<(Box<str>, JsonField)>> {
    let mut names: Vec<&String> = fields.keys().collect();
    names.sort_unstable();
    let mut object = Vec::with_capacity(names.len());
    for name in names {
        let value = fields.get(name).and_then(|v| v.kind.as_ref());
        let field = r.key(at, name, |r| json_field(r, value))?;
        object.push((name.as_str().into(), field));
    }
    Ok(object)
}

fn json_field(r: &mut Reader<'_>, value: Option<&Kind>) -> Read<JsonField> {
    Ok(match value {
        Some(Kind::StringValue(text)) => {
            check(r, text)?;
            JsonField::Format(text.as_str().into())
        }
        Some(Kind::StructValue(Struct { fields })) => JsonField::Object(json_object(r, "", fields)?),
        Some(Kind::ListValue(list)) => {
            JsonField::List(r.each("", &list.values, |r, v| json_field(r, v.kind.as_ref()))?)
        }
        Some(Kind::NumberValue(number)) if number.is_finite() => {
            JsonField::Literal(number.to_string().into())
        }
        Some(Kind::BoolValue(flag)) => JsonField::Literal(flag.to_string().into()),
        Some(Kind::NumberValue(_) | Kind::NullValue(_)) | None => JsonField::Literal("null".into()),
    })
}

/// Reads a filter; `None`: it cannot be evaluated here.
pub(crate) fn read_filter(r: &mut Reader<'_>, proto: &proto::AccessLogFilter) -> Read<Option<LogFilter>> {
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
    Ok(r.each("filters", filters, read_filter)?.into_iter().collect())
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
            let core::RuntimeUInt32 { default_value, runtime_key } = value;
            share::runtime_key_unused(r, runtime_key);
            Ok(*default_value)
        })?;
        Ok((op, value))
    })
}
