//! Command operators, resolved once: each becomes a function of the record.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use thiserror::Error;
use weft_tables::convert::TemplateError;
use weft_tables::route::TemplatePart;

use super::grpc::GrpcForm;
use super::record::{LogRecord, TimePoint, TlsFacts};
use super::time::TimeFormat;

/// Why a format is not valid.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FormatError {
    /// The text is no template.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// An operator cannot do with what stands in its parentheses.
    #[error("operator %{operator}({argument})%: {reason}")]
    Argument {
        /// Operator.
        operator: Box<str>,
        /// What stands in parentheses.
        argument: Box<str>,
        /// What is wrong with it.
        reason: String,
    },
}

pub(crate) type TextFn = for<'r> fn(&'r LogRecord<'r>) -> Option<Cow<'r, [u8]>>;
pub(crate) type NumberFn = fn(&LogRecord<'_>) -> u64;
pub(crate) type AddressFn = fn(&LogRecord<'_>) -> Option<SocketAddr>;
pub(crate) type TimeFn = fn(&LogRecord<'_>) -> Option<SystemTime>;
pub(crate) type SpanFn = fn(&LogRecord<'_>) -> Option<Duration>;

/// An operator.
#[derive(Clone, Debug)]
pub(crate) struct Operator {
    pub(crate) source: Source,
    /// Longest text, bytes.
    pub(crate) limit: Option<usize>,
}

/// Where an operator's value comes from.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    /// A field of the request head: its name, and another for when it is missing.
    Request(Box<str>, Box<str>),
    /// A field of the response head.
    Response(Box<str>, Box<str>),
    /// A field of the response trailers.
    Trailer(Box<str>, Box<str>),
    /// A text; `None` or empty: missing.
    Text(TextFn),
    /// A number, never missing.
    Number(NumberFn),
    /// An address with its port.
    Address(AddressFn),
    /// An address without its port.
    Ip(AddressFn),
    /// The port of an address.
    Port(AddressFn),
    /// A time.
    Time(TimeFn, TimeFormat),
    /// A span in milliseconds.
    Millis(SpanFn),
    /// A span between two points (`None`: the beginning) in some unit.
    Between(Option<TimePoint>, Option<TimePoint>, Unit),
    /// The gRPC status.
    Grpc(GrpcForm),
    /// The path, and whether with its query.
    Path(PathOf, bool),
    /// The first query parameter of a name.
    Query(Box<str>),
    /// Response code details; true: spaces stay.
    Details(bool),
    /// The server name or the host, the wanted one first.
    ServerName(NameOf),
    /// Metadata: whose, and the path of names, the namespace first.
    Metadata(MetadataOf, Box<[Box<str>]>),
    /// Filter state of a name; true: plain, not as JSON.
    FilterState(Box<str>, bool),
    /// A text known since the format was read.
    Fixed(Box<str>),
}

/// Unit of a span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Millis,
    Micros,
    Nanos,
}

/// Which path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PathOf {
    Request,
    Original,
    OriginalOrRequest,
}

/// Which name of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NameOf {
    Sni,
    SniOrHost,
    HostOrSni,
}

/// Whose metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MetadataOf {
    Dynamic,
    Cluster,
    Host,
    Route,
}

/// A part of a format.
#[derive(Clone, Debug)]
pub(crate) enum Part {
    Text(Box<[u8]>),
    Operator(Operator),
}

impl Part {
    pub(crate) fn new(part: &TemplatePart) -> Result<Self, FormatError> {
        match part {
            TemplatePart::Text(text) => Ok(Self::Text(text.as_bytes().into())),
            TemplatePart::Operator { name, argument, limit } => {
                let source = Source::new(name, argument).map_err(|reason| FormatError::Argument {
                    operator: name.clone(),
                    argument: argument.clone(),
                    reason,
                })?;
                Ok(Self::Operator(Operator { source, limit: *limit }))
            }
        }
    }
}

impl Source {
    /// The source that a name and an argument stand for. Names that Envoy has and that nothing here
    /// can fill are known, and always missing.
    fn new(name: &str, argument: &str) -> Result<Self, String> {
        if let Some(source) = simple(name) {
            return Ok(source);
        }
        let source = match name {
            "REQ" => with_alternative(argument, Self::Request),
            "RESP" => with_alternative(argument, Self::Response),
            "TRAILER" => with_alternative(argument, Self::Trailer),
            "START_TIME" | "START_TIME_LOCAL" => Self::Time(|r| r.start, TimeFormat::parse(argument)?),
            "EMIT_TIME" => Self::Time(|r| r.now, TimeFormat::parse(argument)?),
            "DOWNSTREAM_PEER_CERT_V_START" => {
                Self::Time(|r| r.downstream.tls?.peer.not_before, TimeFormat::parse(argument)?)
            }
            "DOWNSTREAM_PEER_CERT_V_END" => {
                Self::Time(|r| r.downstream.tls?.peer.not_after, TimeFormat::parse(argument)?)
            }
            "UPSTREAM_PEER_CERT_V_START" => {
                Self::Time(|r| r.upstream.tls?.peer.not_before, TimeFormat::parse(argument)?)
            }
            "UPSTREAM_PEER_CERT_V_END" => {
                Self::Time(|r| r.upstream.tls?.peer.not_after, TimeFormat::parse(argument)?)
            }
            "COMMON_DURATION" => between(argument)?,
            "GRPC_STATUS" => Self::Grpc(match argument {
                "" | "CAMEL_STRING" => GrpcForm::Camel,
                "SNAKE_STRING" => GrpcForm::Snake,
                "NUMBER" => GrpcForm::Number,
                _ => return Err("wants CAMEL_STRING, SNAKE_STRING or NUMBER".to_owned()),
            }),
            "PATH" => path(argument)?,
            "QUERY_PARAM" => Self::Query(argument.into()),
            "RESPONSE_CODE_DETAILS" => Self::Details(argument == "ALLOW_WHITESPACES"),
            "REQUESTED_SERVER_NAME" => Self::ServerName(match argument.split(':').next() {
                Some("" | "SNI_ONLY") | None => NameOf::Sni,
                Some("SNI_FIRST") => NameOf::SniOrHost,
                Some("HOST_FIRST") => NameOf::HostOrSni,
                Some(_) => return Err("wants SNI_ONLY, SNI_FIRST or HOST_FIRST".to_owned()),
            }),
            "DYNAMIC_METADATA" => Self::Metadata(MetadataOf::Dynamic, names(argument)),
            // The formatter `envoy.formatter.metadata`: the first word says whose.
            "METADATA" => {
                let (of, rest) = argument.split_once(':').unwrap_or((argument, ""));
                let of = match of {
                    "DYNAMIC" => MetadataOf::Dynamic,
                    "CLUSTER" => MetadataOf::Cluster,
                    "UPSTREAM_HOST" => MetadataOf::Host,
                    "ROUTE" => MetadataOf::Route,
                    other => {
                        return Err(format!("{other:?} is not DYNAMIC, CLUSTER, UPSTREAM_HOST or ROUTE"));
                    }
                };
                Self::Metadata(of, names(rest))
            }
            "CLUSTER_METADATA" => Self::Metadata(MetadataOf::Cluster, names(argument)),
            "UPSTREAM_METADATA" => Self::Metadata(MetadataOf::Host, names(argument)),
            "FILTER_STATE" | "UPSTREAM_FILTER_STATE" => {
                let mut words = argument.split(':');
                let key = words.next().unwrap_or_default();
                match words.next() {
                    None | Some("TYPED") => Self::FilterState(key.into(), false),
                    Some("PLAIN" | "FIELD") => Self::FilterState(key.into(), true),
                    Some(_) => return Err("wants PLAIN, TYPED or FIELD behind the key".to_owned()),
                }
            }
            // Read once, as Envoy does.
            "ENVIRONMENT" => Self::Fixed(std::env::var(argument).unwrap_or_default().into()),
            _ => Self::Text(|_| None),
        };
        Ok(source)
    }
}

/// Operators without an argument.
fn simple(name: &str) -> Option<Source> {
    use Source::{Address, Grpc, Ip, Millis, Number, Port, Text};
    Some(match name {
        "PROTOCOL" => Text(|r| r.protocol.map(|version| text(version.as_str()))),
        "RESPONSE_CODE" => Number(|r| u64::from(r.status.unwrap_or(0))),
        "RESPONSE_FLAGS" => Text(|r| Some(Cow::Owned(r.flags.to_string().into_bytes()))),
        "RESPONSE_FLAGS_LONG" => Text(|r| {
            let names: Vec<_> = r.flags.iter().map(weft_types::ResponseFlag::long).collect();
            Some(Cow::Owned(names.join(",").into_bytes()))
        }),
        "CONNECTION_TERMINATION_DETAILS" => Text(|r| Some(text(r.termination))),
        "BYTES_RECEIVED" => Number(|r| r.bytes_received),
        "BYTES_SENT" => Number(|r| r.bytes_sent),
        "DOWNSTREAM_WIRE_BYTES_RECEIVED" => Number(|r| r.downstream_wire.received),
        "DOWNSTREAM_WIRE_BYTES_SENT" => Number(|r| r.downstream_wire.sent),
        "DOWNSTREAM_HEADER_BYTES_RECEIVED" => Number(|r| r.downstream_wire.headers_received),
        "DOWNSTREAM_HEADER_BYTES_SENT" => Number(|r| r.downstream_wire.headers_sent),
        "UPSTREAM_WIRE_BYTES_RECEIVED" | "UPSTREAM_BYTES_RECEIVED" => Number(|r| r.upstream_wire.received),
        "UPSTREAM_WIRE_BYTES_SENT" | "UPSTREAM_BYTES_SENT" => Number(|r| r.upstream_wire.sent),
        "UPSTREAM_HEADER_BYTES_RECEIVED" => Number(|r| r.upstream_wire.headers_received),
        "UPSTREAM_HEADER_BYTES_SENT" => Number(|r| r.upstream_wire.headers_sent),
        "REQUEST_HEADERS_BYTES" => Number(|r| r.request.map_or(0, request_bytes)),
        "RESPONSE_HEADERS_BYTES" => Number(|r| {
            // `:status` and its three digits count too.
            r.response.map_or(0, |head| head.headers.byte_size() as u64 + 10)
        }),
        "RESPONSE_TRAILERS_BYTES" => Number(|r| r.trailers.map_or(0, |t| t.byte_size() as u64)),
        "DURATION" => Millis(|r| r.duration),
        "REQUEST_DURATION" => Millis(|r| r.times.get(TimePoint::DownstreamRxEnd)),
        "REQUEST_TX_DURATION" => Millis(|r| r.times.get(TimePoint::UpstreamTxEnd)),
        "RESPONSE_DURATION" => Millis(|r| r.times.get(TimePoint::UpstreamRxStart)),
        "RESPONSE_TX_DURATION" => Millis(|r| {
            r.times.get(TimePoint::DownstreamTxEnd)?.checked_sub(r.times.get(TimePoint::UpstreamRxStart)?)
        }),
        "DOWNSTREAM_HANDSHAKE_DURATION" => Millis(|r| r.times.get(TimePoint::DownstreamHandshakeEnd)),
        "ROUNDTRIP_DURATION" => Millis(|r| r.times.get(TimePoint::DownstreamAck)),
        "UPSTREAM_CONNECTION_POOL_READY_DURATION" => Millis(|r| r.times.get(TimePoint::PoolReady)),
        "GRPC_STATUS_NUMBER" => Grpc(GrpcForm::Number),
        "ROUTE_NAME" => Text(|r| Some(text(r.route_name))),
        "VIRTUAL_CLUSTER_NAME" => Text(|r| Some(text(r.virtual_cluster))),
        "STREAM_ID" => Text(|r| Some(text(r.stream_id))),
        "UNIQUE_ID" => Text(|r| Some(text(r.unique_id))),
        "TRACE_ID" => Text(|r| Some(text(r.trace_id))),
        "HOSTNAME" => Text(|r| Some(text(r.hostname))),
        "ACCESS_LOG_TYPE" => Text(|r| Some(text(r.log_type))),
        "LOCAL_REPLY_BODY" => Text(|r| Some(Cow::Borrowed(r.local_reply_body))),
        "FILTER_CHAIN_NAME" => Text(|r| Some(text(r.downstream.filter_chain))),
        "QUERY_PARAMS" => Text(|r| r.request?.query().map(text)),
        "CONNECTION_ID" => Number(|r| r.downstream.connection_id),
        "DOWNSTREAM_REMOTE_ADDRESS" => Address(|r| r.downstream.remote),
        "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT" => Ip(|r| r.downstream.remote),
        "DOWNSTREAM_REMOTE_PORT" => Port(|r| r.downstream.remote),
        "DOWNSTREAM_DIRECT_REMOTE_ADDRESS" => Address(|r| r.downstream.direct_remote),
        "DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT" => Ip(|r| r.downstream.direct_remote),
        "DOWNSTREAM_DIRECT_REMOTE_PORT" => Port(|r| r.downstream.direct_remote),
        "DOWNSTREAM_LOCAL_ADDRESS" => Address(|r| r.downstream.local),
        "DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT" => Ip(|r| r.downstream.local),
        "DOWNSTREAM_LOCAL_PORT" => Port(|r| r.downstream.local),
        "DOWNSTREAM_DIRECT_LOCAL_ADDRESS" => Address(|r| r.downstream.direct_local),
        "DOWNSTREAM_DIRECT_LOCAL_ADDRESS_WITHOUT_PORT" => Ip(|r| r.downstream.direct_local),
        "DOWNSTREAM_DIRECT_LOCAL_PORT" => Port(|r| r.downstream.direct_local),
        "DOWNSTREAM_TRANSPORT_FAILURE_REASON" => Text(|r| Some(without_spaces(r.downstream.failure))),
        "UPSTREAM_TRANSPORT_FAILURE_REASON" => Text(|r| Some(without_spaces(r.upstream.failure))),
        "UPSTREAM_CLUSTER" => Text(|r| Some(text(r.upstream.cluster_stat_name))),
        "UPSTREAM_CLUSTER_RAW" => Text(|r| Some(text(r.upstream.cluster))),
        "UPSTREAM_HOST" => Text(|r| r.upstream.host.map(|host| Cow::Owned(host.to_string().into_bytes()))),
        "UPSTREAM_HOST_NAME" => Text(host_name),
        "UPSTREAM_HOST_NAME_WITHOUT_PORT" => Text(|r| host_name(r).map(strip_port)),
        "UPSTREAM_HOSTS_ATTEMPTED" => Text(|r| {
            let all: Vec<_> = r.upstream.hosts_attempted.iter().map(ToString::to_string).collect();
            Some(Cow::Owned(all.join(",").into_bytes()))
        }),
        "UPSTREAM_REQUEST_ATTEMPT_COUNT" => Number(|r| u64::from(r.upstream.attempts)),
        "UPSTREAM_LOCAL_ADDRESS" => Address(|r| r.upstream.local),
        "UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT" => Ip(|r| r.upstream.local),
        "UPSTREAM_LOCAL_PORT" => Port(|r| r.upstream.local),
        "UPSTREAM_REMOTE_ADDRESS" => Address(|r| r.upstream.remote),
        "UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT" => Ip(|r| r.upstream.remote),
        "UPSTREAM_REMOTE_PORT" => Port(|r| r.upstream.remote),
        "UPSTREAM_CONNECTION_ID" => Number(|r| r.upstream.connection_id),
        "UPSTREAM_PROTOCOL" => Text(|r| r.upstream.protocol.map(|version| text(version.as_str()))),
        "CUSTOM_FLAGS" => Source::Fixed("".into()),
        "TLS_JA3_FINGERPRINT" => Text(|r| Some(text(r.downstream.tls?.ja3))),
        "TLS_JA4_FINGERPRINT" => Text(|r| Some(text(r.downstream.tls?.ja4))),
        _ => return tls(name),
    })
}

/// Operators on TLS of either side.
fn tls(name: &str) -> Option<Source> {
    /// The same operator for both sides: `$f` of the connection's TLS.
    macro_rules! either {
        ($downstream:expr, |$tls:ident| $f:expr) => {
            if $downstream {
                Source::Text(|r| {
                    let $tls: TlsFacts<'_> = r.downstream.tls?;
                    Some($f)
                })
            } else {
                Source::Text(|r| {
                    let $tls: TlsFacts<'_> = r.upstream.tls?;
                    Some($f)
                })
            }
        };
    }
    macro_rules! certificate {
        ($downstream:expr, $whose:ident, $what:expr) => {
            match $what {
                "URI_SAN" => either!($downstream, |tls| joined(tls.$whose.uris)),
                "DNS_SAN" => either!($downstream, |tls| joined(tls.$whose.dns)),
                "IP_SAN" => either!($downstream, |tls| joined(tls.$whose.ips)),
                "EMAIL_SAN" => either!($downstream, |tls| joined(tls.$whose.emails)),
                "SUBJECT" => either!($downstream, |tls| text(tls.$whose.subject)),
                "ISSUER" => either!($downstream, |tls| text(tls.$whose.issuer)),
                "SERIAL" => either!($downstream, |tls| text(tls.$whose.serial)),
                "FINGERPRINT_256" => either!($downstream, |tls| text(tls.$whose.fingerprint_256)),
                "FINGERPRINT_1" => either!($downstream, |tls| text(tls.$whose.fingerprint_1)),
                "CERT" => either!($downstream, |tls| text(tls.$whose.pem)),
                _ => return None,
            }
        };
    }
    let (downstream, rest) = match name.strip_prefix("DOWNSTREAM_") {
        Some(rest) => (true, rest),
        None => (false, name.strip_prefix("UPSTREAM_")?),
    };
    Some(match rest {
        "TLS_VERSION" => either!(downstream, |tls| text(tls.version)),
        "TLS_CIPHER" => either!(downstream, |tls| text(tls.cipher)),
        "TLS_SESSION_ID" => either!(downstream, |tls| text(tls.session_id)),
        _ => match rest.strip_prefix("PEER_") {
            Some(what) => certificate!(downstream, peer, what),
            None => certificate!(downstream, local, rest.strip_prefix("LOCAL_")?),
        },
    })
}

fn text(text: &str) -> Cow<'_, [u8]> {
    Cow::Borrowed(text.as_bytes())
}

fn joined(names: &[Box<str>]) -> Cow<'_, [u8]> {
    match names {
        [one] => text(one),
        all => Cow::Owned(all.join(",").into_bytes()),
    }
}

fn without_spaces(text: &str) -> Cow<'_, [u8]> {
    Cow::Owned(text.replace(' ', "_").into_bytes())
}

fn host_name<'r>(record: &'r LogRecord<'r>) -> Option<Cow<'r, [u8]>> {
    if !record.upstream.host_name.is_empty() {
        return Some(text(record.upstream.host_name));
    }
    record.upstream.host.map(|host| Cow::Owned(host.to_string().into_bytes()))
}

fn strip_port(name: Cow<'_, [u8]>) -> Cow<'_, [u8]> {
    let Some(colon) = name.iter().rposition(|byte| *byte == b':') else { return name };
    let (host, port) = name.split_at(colon);
    // An IPv6 address without brackets has no port.
    let has_port = port.len() > 1 && port.iter().skip(1).all(u8::is_ascii_digit);
    if has_port && (!host.contains(&b':') || host.ends_with(b"]")) { Cow::Owned(host.to_vec()) } else { name }
}

/// Bytes of a head as Envoy counts them: names and values, pseudo-headers included.
fn request_bytes(head: &weft_types::RequestHead) -> u64 {
    let pseudo = [
        (":method", head.method.as_str()),
        (":scheme", &*head.scheme),
        (":authority", &*head.authority),
        (":path", &*head.path),
        (":protocol", head.protocol.as_deref().unwrap_or_default()),
    ];
    let sizes = pseudo.iter().filter(|(_, value)| !value.is_empty());
    let bytes = sizes.map(|(name, value)| name.len() + value.len()).sum::<usize>() + head.headers.byte_size();
    bytes as u64
}

/// `X?Y`: a field, and another for when it is missing; names in lower case.
fn with_alternative(argument: &str, make: fn(Box<str>, Box<str>) -> Source) -> Source {
    let lower = argument.to_ascii_lowercase();
    let (main, alternative) = lower.split_once('?').unwrap_or((&lower, ""));
    make(main.into(), alternative.into())
}

fn names(argument: &str) -> Box<[Box<str>]> {
    argument.split(':').map(Into::into).collect()
}

fn between(argument: &str) -> Result<Source, String> {
    let words: Vec<&str> = argument.split(':').collect();
    let (from, to, unit) = match words.as_slice() {
        [from, to] => (from, to, "ms"),
        [from, to, unit] => (from, to, *unit),
        _ => return Err("wants start:end or start:end:unit".to_owned()),
    };
    let unit = match unit {
        "ms" => Unit::Millis,
        "us" => Unit::Micros,
        "ns" => Unit::Nanos,
        _ => return Err("the unit is ms, us or ns".to_owned()),
    };
    Ok(Source::Between(point(from)?, point(to)?, unit))
}

/// A point by its name; `None` is the beginning.
fn point(name: &str) -> Result<Option<TimePoint>, String> {
    Ok(Some(match name {
        "DS_RX_BEG" => return Ok(None),
        "DS_RX_END" => TimePoint::DownstreamRxEnd,
        "US_CX_BEG" => TimePoint::UpstreamConnectStart,
        "US_CX_END" => TimePoint::UpstreamConnectEnd,
        "US_HS_END" => TimePoint::UpstreamHandshakeEnd,
        "US_TX_BEG" => TimePoint::UpstreamTxStart,
        "US_TX_END" => TimePoint::UpstreamTxEnd,
        "US_RX_BEG" => TimePoint::UpstreamRxStart,
        "US_RX_END" => TimePoint::UpstreamRxEnd,
        "DS_TX_BEG" => TimePoint::DownstreamTxStart,
        "DS_TX_END" => TimePoint::DownstreamTxEnd,
        _ => return Err(format!("no point in time is called {name:?}")),
    }))
}

fn path(argument: &str) -> Result<Source, String> {
    let mut words = argument.split(':');
    let with_query = match words.next() {
        Some("WQ" | "") | None => true,
        Some("NQ") => false,
        Some(_) => return Err("wants WQ or NQ first".to_owned()),
    };
    let of = match words.next() {
        Some("ORIG_OR_PATH" | "") | None => PathOf::OriginalOrRequest,
        Some("ORIG") => PathOf::Original,
        Some("PATH") => PathOf::Request,
        Some(_) => return Err("wants ORIG, PATH or ORIG_OR_PATH second".to_owned()),
    };
    Ok(Source::Path(of, with_query))
}
