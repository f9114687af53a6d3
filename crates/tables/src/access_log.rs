//! Access logs, parsed once.

use std::path::PathBuf;

use weft_match::HeaderMatcher;
use weft_types::{FractionalPercent, ResponseFlag};

/// A log (`envoy.config.accesslog.v3.AccessLog`).
#[derive(Clone, Debug)]
pub struct AccessLog {
    /// Which requests it records; `None`: all.
    pub filter: Option<LogFilter>,
    /// Where lines go.
    pub sink: LogSink,
    /// What a line looks like.
    pub format: LogFormat,
}

/// Where lines go.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum LogSink {
    /// A file, appended to.
    File(PathBuf),
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// The form of a line. The texts are format strings with Envoy's command operators; `weft-telemetry`
/// parses them (`LineFormat::parse`), and conversion has done so once to refuse bad ones.
#[derive(Clone, Debug, PartialEq)]
pub enum LogFormat {
    /// Text, newline included if wanted.
    Text(Box<str>),
    /// JSON object; keys in order. Values are format strings or nested objects.
    Json(Vec<(Box<str>, JsonField)>),
    /// Envoy's default text.
    Default,
}

/// A value of a JSON log line.
#[derive(Clone, Debug, PartialEq)]
pub enum JsonField {
    /// A format string; a single operator that yields a number stays a number.
    Format(Box<str>),
    /// A nested object.
    Object(Vec<(Box<str>, JsonField)>),
    /// A nested list.
    List(Vec<JsonField>),
    /// A literal number, bool or null as JSON text.
    Literal(Box<str>),
}

/// Which requests a log records.
#[derive(Clone, Debug)]
pub enum LogFilter {
    /// Status compared with a value.
    Status(Comparison, u32),
    /// Duration in milliseconds compared with a value.
    Duration(Comparison, u32),
    /// Not a health check request.
    NotHealthCheck,
    /// Traceable only (sampled).
    Traceable,
    /// A share of requests.
    Runtime(FractionalPercent),
    /// All hold.
    And(Vec<LogFilter>),
    /// One holds.
    Or(Vec<LogFilter>),
    /// A request header test.
    Header(HeaderMatcher),
    /// One of the flags is set; empty: any flag.
    Flags(Vec<ResponseFlag>),
    /// gRPC status is (not, when `exclude`) among these.
    GrpcStatus {
        /// Codes.
        codes: Vec<u32>,
        /// Turned round.
        exclude: bool,
    },
}

/// `ComparisonFilter.Op`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// Equal.
    Equal,
    /// At least.
    AtLeast,
    /// At most.
    AtMost,
    /// Not equal.
    NotEqual,
}
