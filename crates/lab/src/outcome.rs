//! What came of a row on one subject, before and after [`crate::normalize`].

use serde::Serialize;
use std::collections::BTreeMap;

/// Everything that one subject did for one row.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Outcome {
    /// One answer per call, in order; empty for rows that only count.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub answers: Vec<Answer>,
    /// Requests (or connections) that backends saw, in order; empty for rows that only count.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub seen: Vec<Seen>,
    /// Counts of a row with `times`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tally: Option<Tally>,
    /// Lines of the access log, by field.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub log: Vec<BTreeMap<String, String>>,
    /// Change of the counters that the row names.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub stats: BTreeMap<String, i64>,
    /// Why the row could not be carried out at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

impl Outcome {
    /// An outcome that says only why there is none.
    pub fn failed(why: impl Into<String>) -> Self {
        Outcome { failure: Some(why.into()), ..Outcome::default() }
    }
}

/// One answer as the client received it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Answer {
    /// Status; 0 when no head arrived.
    pub status: u16,
    /// Reason phrase of HTTP/1.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// Interim statuses before it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub interim: Vec<u16>,
    /// Protocol of the answer.
    pub protocol: String,
    /// Headers as received.
    pub headers: Vec<(String, String)>,
    /// Body, or its length and hash when it is long.
    pub body: String,
    /// Trailers as received.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub trailers: Vec<(String, String)>,
    /// How it ended.
    pub end: End,
    /// Code of an HTTP/2 reset or GOAWAY, or the words of a TLS alert.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// Whether the connection stayed open, where it was looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connection: Option<String>,
    /// Transcript of an exchange or tunnel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub received: Option<String>,
    /// What the TLS handshake agreed on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<Handshake>,
    /// From the start of the call to the end of the answer, milliseconds.
    pub took_ms: u64,
}

/// How an answer ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// As its framing says.
    #[default]
    Complete,
    /// The connection ended first.
    Closed,
    /// The stream was reset (HTTP/2).
    Reset,
    /// Nothing more came in time.
    Timeout,
    /// Nobody listened.
    Refused,
    /// The TLS handshake failed.
    Tls,
    /// The client gave up, as the row says.
    Abandoned,
    /// The bytes were no HTTP.
    Garbled,
}

/// What both sides agreed on in a TLS handshake.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Handshake {
    /// Version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Application protocol.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alpn: Option<String>,
    /// Server name; seen by servers only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sni: Option<String>,
    /// Name of the other side's certificate (see [`crate::certs`]).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peer: Option<String>,
}

/// One request, or one raw connection, as a backend saw it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Seen {
    /// Name of the backend.
    pub backend: String,
    /// `HTTP/1.1`, `HTTP/2` or `tcp`.
    pub protocol: String,
    /// Method.
    pub method: String,
    /// Path with query.
    pub path: String,
    /// `Host` or `:authority`.
    pub authority: String,
    /// Headers as received.
    pub headers: Vec<(String, String)>,
    /// Body, or what a raw connection received.
    pub body: String,
    /// Trailers as received.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub trailers: Vec<(String, String)>,
    /// The request (or connection) broke off before it was complete.
    pub broken: bool,
    /// TLS of the connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<Handshake>,
}

/// Counts of a row that is about shares.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Calls by status.
    pub status: BTreeMap<u16, u64>,
    /// Requests by backend.
    pub backend: BTreeMap<String, u64>,
}

/// A body as text: whole when short, else its length and a hash.
pub fn body_text(bytes: &[u8]) -> String {
    if bytes.len() <= 1024 {
        return String::from_utf8_lossy(bytes).into_owned();
    }
    // FNV-1a: any change shows, and the figure is stable between runs.
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("<{} bytes, fnv {hash:016x}>", bytes.len())
}
