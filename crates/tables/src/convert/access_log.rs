//! Access logs.
//!
//! A log has no effect on routing, security or reliability: one that cannot be written here is
//! left out and noted, it refuses nothing. Bad formats are refused, as Envoy does.

use std::collections::HashMap;

use super::log_filter;
use super::reader::{Read, Reader, holds, type_name};
use super::source;
use super::unset::ignore_set;
use crate::access_log::{AccessLog, JsonField, LogFormat, LogSink};
use crate::pb::envoy::config::accesslog::v3 as proto;
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
    let filter = match r.maybe("filter", filter.as_ref(), log_filter::read)? {
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
