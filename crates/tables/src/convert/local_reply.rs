//! Changes of replies that the proxy makes itself.

use super::headers;
use super::reader::{Read, Reader};
use super::unset::ignore_set;
use super::{access_log, log_filter, source};
use crate::access_log::LogFormat;
use crate::hcm::{LocalReplyConfig, LocalReplyMapper};
use crate::pb::envoy::config::core::v3::SubstitutionFormatString;
use crate::pb::envoy::extensions::filters::network::http_connection_manager::v3 as proto;

/// Reads the configuration.
pub(crate) fn read(r: &mut Reader<'_>, proto: &proto::LocalReplyConfig) -> Read<LocalReplyConfig> {
    let proto::LocalReplyConfig { mappers, body_format } = proto;
    Ok(LocalReplyConfig {
        mappers: r.each("mappers", mappers, mapper)?,
        body_format: r.maybe("body_format", body_format.as_ref(), format)?,
    })
}

fn mapper(r: &mut Reader<'_>, proto: &proto::ResponseMapper) -> Read<LocalReplyMapper> {
    let proto::ResponseMapper { filter, status_code, body, body_format_override, headers_to_add } = proto;
    let filter = r.need("filter", filter.as_ref(), |r, filter| {
        // Unlike a log, a reply must not be changed by a filter that is only half understood.
        log_filter::read(r, filter)?.ok_or_else(|| r.refuse("this filter is not implemented"))
    })?;
    let status = match status_code {
        Some(code) => match u16::try_from(code.value) {
            Ok(status) if (200..600).contains(&status) => Some(status),
            _ => return Err(r.refuse_at("status_code", "must be in 200..=599")),
        },
        None => None,
    };
    Ok(LocalReplyMapper {
        filter,
        status,
        body: r.maybe("body", body.as_ref(), source::bytes)?.map(Into::into),
        body_format: r.maybe("body_format_override", body_format_override.as_ref(), format)?,
        headers: r.each("headers_to_add", headers_to_add, |r, p| headers::mutation(r, p))?,
    })
}

/// Reads a body's form and its content type.
fn format(r: &mut Reader<'_>, proto: &SubstitutionFormatString) -> Read<(LogFormat, Box<str>)> {
    let SubstitutionFormatString { omit_empty_values, content_type, formatters, json_format_options, format } =
        proto;
    ignore_set!(r, "missing values are written as - or null", omit_empty_values);
    ignore_set!(r, "the built-in operators are the only ones", formatters);
    ignore_set!(r, "keys are always sorted", json_format_options);
    headers::check_value(r, "content_type", content_type)?;
    let format = access_log::body(r, format.as_ref())?;
    let content_type = match (content_type.as_str(), &format) {
        ("", LogFormat::Json(_)) => "application/json",
        ("", _) => "text/plain",
        (given, _) => given,
    };
    Ok((format, content_type.into()))
}
