//! Writing an operator's value.

use std::io::Write as _;
use std::time::Duration;

use weft_tables::cluster::MetadataValue;
use weft_types::RequestHead;

use super::grpc::{self, GrpcForm};
use super::operator::{MetadataOf, NameOf, Operator, PathOf, Source, Unit};
use super::record::{LogRecord, TimePoint};
use crate::json;

/// What was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Written {
    /// Text.
    Text,
    /// JSON as it is: a number, object, list …
    Json,
}

impl Operator {
    /// Appends the value; `None`, and nothing appended, when it is missing.
    pub(crate) fn write(&self, record: &LogRecord<'_>, out: &mut Vec<u8>) -> Option<Written> {
        let start = out.len();
        let written = self.source.write(record, out);
        if let (Some(limit), Some(_)) = (self.limit, written) {
            out.truncate(start.saturating_add(limit));
        }
        written
    }
}

impl Source {
    fn write(&self, record: &LogRecord<'_>, out: &mut Vec<u8>) -> Option<Written> {
        match self {
            Self::Request(main, other) => {
                let head = record.request?;
                let field = request_field(head, main).or_else(|| request_field(head, other))?;
                put(out, field)
            }
            Self::Response(main, other) => {
                let head = record.response?;
                if &**main == ":status" || (&**other == ":status" && !head.headers.contains(&**main)) {
                    drop(write!(out, "{}", head.status));
                    return Some(Written::Text);
                }
                put(out, head.headers.get(&**main).or_else(|| head.headers.get(&**other))?)
            }
            Self::Trailer(main, other) => {
                let trailers = record.trailers?;
                put(out, trailers.get(&**main).or_else(|| trailers.get(&**other))?)
            }
            Self::Text(text) => {
                let text = text(record).filter(|text| !text.is_empty())?;
                put(out, &text)
            }
            Self::Fixed(text) => put(out, text.as_bytes()),
            Self::Number(number) => number_of(out, number(record)),
            Self::Address(address) => display(out, address(record)?),
            Self::Ip(address) => display(out, address(record)?.ip()),
            Self::Port(address) => number_of(out, u64::from(address(record)?.port())),
            Self::Time(time, format) => {
                format.write(out, time(record)?);
                Some(Written::Text)
            }
            Self::Millis(span) => number_of(out, in_unit(span(record)?, Unit::Millis)),
            Self::Between(from, to, unit) => {
                let at = |point: &Option<TimePoint>| match point {
                    Some(point) => record.times.get(*point),
                    None => Some(Duration::ZERO),
                };
                number_of(out, in_unit(at(to)?.checked_sub(at(from)?)?, *unit))
            }
            Self::Grpc(form) => grpc_status(record, *form, out),
            Self::Path(of, with_query) => put(out, path(record, *of, *with_query)?),
            Self::Query(name) => put(out, query_parameter(record.request?, name)?),
            Self::Details(keep_spaces) => details(record, *keep_spaces, out),
            Self::ServerName(of) => server_name(record, *of, out),
            Self::Metadata(of, path) => metadata(record, *of, path, out),
            Self::FilterState(key, plain) => {
                let value = record.filter_state?.get(key)?;
                if *plain {
                    return put(out, value.as_bytes());
                }
                json::write_string(out, value.as_bytes());
                Some(Written::Json)
            }
        }
    }
}

fn put(out: &mut Vec<u8>, text: &[u8]) -> Option<Written> {
    out.extend_from_slice(text);
    Some(Written::Text)
}

fn number_of(out: &mut Vec<u8>, number: u64) -> Option<Written> {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
    Some(Written::Json)
}

fn display(out: &mut Vec<u8>, value: impl std::fmt::Display) -> Option<Written> {
    drop(write!(out, "{value}"));
    Some(Written::Text)
}

fn in_unit(span: Duration, unit: Unit) -> u64 {
    let count = match unit {
        Unit::Millis => span.as_millis(),
        Unit::Micros => span.as_micros(),
        Unit::Nanos => span.as_nanos(),
    };
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// The first field of that name; Envoy logs no others.
fn request_field<'r>(head: &'r RequestHead, name: &str) -> Option<&'r [u8]> {
    let pseudo = match name {
        "" => return None,
        ":method" => head.method.as_str(),
        ":path" => &head.path,
        ":authority" | "host" => &head.authority,
        ":scheme" => &head.scheme,
        ":protocol" => head.protocol.as_deref()?,
        _ => return head.headers.get(name),
    };
    (!pseudo.is_empty()).then_some(pseudo.as_bytes())
}

fn grpc_status(record: &LogRecord<'_>, form: GrpcForm, out: &mut Vec<u8>) -> Option<Written> {
    if !grpc::is_request(record) {
        return None;
    }
    let code = grpc::status(record)?;
    match grpc::name(code, form) {
        Some(name) => put(out, name.as_bytes()),
        None if form == GrpcForm::Number => number_of(out, u64::from(code)),
        None => display(out, code),
    }
}

fn path<'r>(record: &'r LogRecord<'_>, of: PathOf, with_query: bool) -> Option<&'r [u8]> {
    let head = record.request?;
    let original = || head.headers.get("x-envoy-original-path");
    let path = match of {
        PathOf::Request => request_field(head, ":path"),
        PathOf::Original => original(),
        PathOf::OriginalOrRequest => original().or_else(|| request_field(head, ":path")),
    }?;
    if with_query { Some(path) } else { path.split(|byte| *byte == b'?').next() }
}

fn query_parameter<'r>(head: &'r RequestHead, name: &str) -> Option<&'r [u8]> {
    let pairs = head.query()?.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs.into_iter().find(|(key, _)| *key == name).map(|(_, value)| value.as_bytes())
}

fn details(record: &LogRecord<'_>, keep_spaces: bool, out: &mut Vec<u8>) -> Option<Written> {
    let detail = record.detail?;
    let start = out.len();
    display(out, detail);
    if !keep_spaces {
        for byte in out.iter_mut().skip(start).filter(|byte| byte.is_ascii_whitespace()) {
            *byte = b'_';
        }
    }
    Some(Written::Text)
}

fn server_name(record: &LogRecord<'_>, of: NameOf, out: &mut Vec<u8>) -> Option<Written> {
    let sni = Some(record.downstream.server_name).filter(|name| !name.is_empty());
    let host = record.request.map(|head| &*head.authority).filter(|host| !host.is_empty());
    let name = match of {
        NameOf::Sni => sni,
        NameOf::SniOrHost => sni.or(host),
        NameOf::HostOrSni => host.or(sni),
    }?;
    // The client chose it: what stands in no host name does not get into the log.
    let clean =
        |byte: u8| if byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte) { byte } else { b'_' };
    out.extend(name.bytes().map(clean));
    Some(Written::Text)
}

fn metadata(record: &LogRecord<'_>, of: MetadataOf, path: &[Box<str>], out: &mut Vec<u8>) -> Option<Written> {
    let (namespace, keys) = path.split_first()?;
    let mut value = match of {
        MetadataOf::Dynamic => record.dynamic_metadata?.get(namespace)?,
        MetadataOf::Cluster => record.upstream.cluster_metadata?.get(namespace)?,
        MetadataOf::Host => record.upstream.host_metadata?.get(namespace)?,
        MetadataOf::Route => record.route_metadata?.get(namespace)?,
    };
    for key in keys {
        let MetadataValue::Struct(fields) = value else { return None };
        value = fields.get(key)?;
    }
    match value {
        MetadataValue::Null => None,
        MetadataValue::String(text) => put(out, text.as_bytes()),
        other => {
            write_json(out, other);
            Some(Written::Json)
        }
    }
}

fn write_json(out: &mut Vec<u8>, value: &MetadataValue) {
    match value {
        MetadataValue::Null => out.extend_from_slice(b"null"),
        MetadataValue::Bool(value) => drop(write!(out, "{value}")),
        MetadataValue::Number(number) => json::write_number(out, *number),
        MetadataValue::String(text) => json::write_string(out, text.as_bytes()),
        MetadataValue::List(values) => {
            out.push(b'[');
            for (index, value) in values.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write_json(out, value);
            }
            out.push(b']');
        }
        MetadataValue::Struct(fields) => {
            out.push(b'{');
            for (index, (key, value)) in fields.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                json::write_string(out, key.as_bytes());
                out.push(b':');
                write_json(out, value);
            }
            out.push(b'}');
        }
    }
}
