//! What a row does: calls, waits and raw exchanges. All times are milliseconds.

use super::{Expect, expect::text};
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;

/// One step of a row.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// A call; the next step waits for its answer.
    Call(Box<Call>),
    /// Let time pass.
    Wait(u64),
    /// Several calls at once, each started `stagger` after the one before it.
    Together {
        /// Milliseconds between two starts; default 15, enough to make the order certain.
        #[serde(default = "stagger")]
        stagger: u64,
        /// Start the list this many times over; default 1.
        #[serde(default = "one")]
        times: u32,
        /// The calls.
        calls: Vec<Call>,
    },
}

fn stagger() -> u64 {
    15
}

fn one() -> u32 {
    1
}

/// Version of HTTP that the client speaks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub enum Http {
    /// HTTP/1.0
    #[serde(rename = "1.0")]
    V10,
    /// HTTP/1.1
    #[default]
    #[serde(rename = "1.1")]
    V11,
    /// HTTP/2, by prior knowledge or by ALPN where the call has TLS.
    #[serde(rename = "2")]
    V2,
}

/// One call of the client. The shortest form is a string: `GET /path authority`.
#[derive(Debug, Clone)]
pub struct Call {
    /// Listener, or `admin`; default `main`.
    pub on: String,
    /// Calls with the same label share one connection; without a label each has its own.
    pub conn: Option<String>,
    /// HTTP version.
    pub http: Http,
    /// TLS of the connection.
    pub tls: Option<TlsCall>,
    /// Method.
    pub method: String,
    /// Path with query; for CONNECT the authority.
    pub path: String,
    /// `Host` or `:authority`; default `weft.test`. Empty: none is sent.
    pub authority: String,
    /// Headers in order.
    pub headers: Vec<(String, String)>,
    /// Request body.
    pub body: String,
    /// Body of this many bytes instead of `body`.
    pub body_size: usize,
    /// Send the body chunked (HTTP/1) or without content-length (HTTP/2).
    pub chunked: bool,
    /// Milliseconds between head and body.
    pub body_delay: u64,
    /// Send the head only, and never the body.
    pub body_never: bool,
    /// Request trailers.
    pub trailers: Vec<(String, String)>,
    /// HTTP/1 bytes written as they stand instead of a request; the answer is read as HTTP.
    pub raw: Option<Vec<Move>>,
    /// Bytes instead of HTTP: the answer is the transcript.
    pub exchange: Option<Vec<Move>>,
    /// What is said on the stream after a 101, or after a 2xx to CONNECT.
    pub tunnel: Option<Vec<Move>>,
    /// Repeat so many times and count statuses and backends instead of keeping each answer.
    pub times: u32,
    /// Spread `times` over so many connections; default 1.
    pub conns: u32,
    /// Give up (reset the stream, close the connection) after so many milliseconds without an answer.
    pub abandon: Option<u64>,
    /// Look whether the connection stays open after the answer even if nothing announced its end.
    pub probe: bool,
    /// What this one call must give, in a row of several steps.
    pub expect: Option<Expect>,
}

/// TLS of the client's connection.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TlsCall {
    /// Server name; empty: none is sent.
    pub sni: String,
    /// Protocols offered.
    pub alpn: Vec<String>,
    /// Name of a client certificate (see [`crate::certs`]).
    pub cert: Option<String>,
    /// Highest version, `1.2` or `1.3`; default 1.3.
    pub max: Option<String>,
}

/// One move of a raw conversation, in a client's `exchange`/`raw`/`tunnel` or a TCP backend's `moves`.
#[derive(Debug, Clone, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Move {
    /// Write this text.
    Send(String),
    /// Write these bytes, given in hexadecimal; spaces are ignored.
    SendHex(String),
    /// Write so many bytes of a fixed pattern.
    SendSize(usize),
    /// Read exactly so many bytes.
    Recv(usize),
    /// Read until this text has been received.
    RecvText(String),
    /// Read until the other side ends, but at most so many milliseconds.
    RecvEnd(u64),
    /// Let time pass.
    Pause(u64),
    /// End the sending direction.
    HalfClose,
    /// Close with FIN.
    Close,
    /// Close with RST.
    Reset,
    /// Send back whatever arrives until the other side ends, then end too.
    Echo,
    /// Swallow what arrives until the other side ends.
    Drain,
}

/// The long form, as written in YAML.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Long {
    #[serde(default)]
    on: Option<String>,
    #[serde(default)]
    conn: Option<String>,
    #[serde(default)]
    http: Option<serde_json::Value>,
    #[serde(default)]
    tls: Option<TlsCall>,
    /// `GET /path authority`
    #[serde(default)]
    to: Option<String>,
    #[serde(default)]
    headers: Headers,
    #[serde(default)]
    body: String,
    #[serde(default)]
    body_size: usize,
    #[serde(default)]
    chunked: bool,
    #[serde(default)]
    body_delay: u64,
    #[serde(default)]
    body_never: bool,
    #[serde(default)]
    trailers: Headers,
    #[serde(default)]
    raw: Option<Vec<Move>>,
    #[serde(default)]
    exchange: Option<Vec<Move>>,
    #[serde(default)]
    tunnel: Option<Vec<Move>>,
    #[serde(default)]
    times: u32,
    #[serde(default)]
    conns: u32,
    #[serde(default)]
    abandon: Option<u64>,
    #[serde(default)]
    probe: bool,
    #[serde(default)]
    expect: Option<Expect>,
}

/// Headers as a map, or as a list of one-entry maps where a name occurs twice.
#[derive(Deserialize)]
#[serde(untagged)]
enum Headers {
    Map(BTreeMap<String, serde_json::Value>),
    List(Vec<BTreeMap<String, serde_json::Value>>),
}

impl Default for Headers {
    fn default() -> Self {
        Headers::List(Vec::new())
    }
}

impl Headers {
    fn into_list(self) -> Vec<(String, String)> {
        let maps = match self {
            Headers::Map(map) => vec![map],
            Headers::List(list) => list,
        };
        maps.into_iter().flatten().map(|(name, value)| (name, text(&value))).collect()
    }
}

impl<'de> Deserialize<'de> for Call {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            Short(String),
            Long(serde_json::Value),
        }
        let long: Long = match Form::deserialize(deserializer)? {
            Form::Short(line) => serde_json::from_value(serde_json::json!({ "to": line })),
            Form::Long(tree) => serde_json::from_value(tree),
        }
        .map_err(serde::de::Error::custom)?;
        let line = long.to.unwrap_or_else(|| "GET /".into());
        let mut words = line.splitn(3, ' ');
        let method = words.next().unwrap_or("GET").to_owned();
        let path = words.next().unwrap_or("/").to_owned();
        let authority = words.next().map_or_else(|| "weft.test".to_owned(), |word| word.trim().to_owned());
        let http = match long.http.as_ref().map(text).as_deref() {
            None | Some("1.1" | "1") => Http::V11,
            Some("1.0") => Http::V10,
            Some("2") => Http::V2,
            Some(other) => {
                return Err(serde::de::Error::custom(format!("http: {other} is not 1.0, 1.1 or 2")));
            }
        };
        Ok(Call {
            on: long.on.unwrap_or_else(|| "main".into()),
            conn: long.conn,
            http,
            tls: long.tls,
            method,
            path,
            authority: if authority == "-" { String::new() } else { authority },
            headers: long.headers.into_list(),
            body: long.body,
            body_size: long.body_size,
            chunked: long.chunked,
            body_delay: long.body_delay,
            body_never: long.body_never,
            trailers: long.trailers.into_list(),
            raw: long.raw,
            exchange: long.exchange,
            tunnel: long.tunnel,
            times: long.times,
            conns: long.conns.max(1),
            abandon: long.abandon,
            probe: long.probe,
            expect: long.expect,
        })
    }
}

/// A plain GET.
///
/// # Errors
/// None in practice: the form is fixed.
pub fn get(on: &str, path: &str) -> anyhow::Result<Call> {
    Ok(serde_json::from_value(serde_json::json!({ "on": on, "to": format!("GET {path}") }))?)
}

impl Call {
    /// The request body.
    pub fn body_bytes(&self) -> Vec<u8> {
        if self.body_size > 0 { pattern(self.body_size) } else { self.body.clone().into_bytes() }
    }
}

/// `size` bytes of a fixed pattern, so that a lost or doubled byte shows.
pub(crate) fn pattern(size: usize) -> Vec<u8> {
    b"0123456789abcdefghijklmnopqrstuvwxyz\n".iter().copied().cycle().take(size).collect()
}
