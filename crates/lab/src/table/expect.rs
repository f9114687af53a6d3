//! What a row expects. Every field is optional: what is left out is only compared between proxies.

use serde::{Deserialize, Deserializer};
use serde_json::Value;
use std::collections::BTreeMap;

/// Expectations of a row or of one call.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Expect {
    /// Status of each answer in order; 0 for none.
    pub status: Option<OneOrMany<u16>>,
    /// Backends that saw a request, in order: one per attempt. `none` for no attempt.
    pub backend: Option<OneOrMany<String>>,
    /// Number of requests that backends saw.
    pub attempts: Option<usize>,
    /// Share of each backend in a row with `times`.
    pub shares: BTreeMap<String, f64>,
    /// Shares are exact, not within four standard deviations.
    pub exact: bool,
    /// Headers of the last answer.
    pub headers: BTreeMap<String, Want>,
    /// Trailers of the last answer.
    pub trailers: BTreeMap<String, Want>,
    /// Body of the last answer.
    pub body: Option<Want>,
    /// Transcript of the last exchange or tunnel.
    pub received: Option<Want>,
    /// Interim statuses of the last answer.
    pub interim: Option<Vec<u16>>,
    /// The last request that a backend saw.
    pub seen: Option<SeenWant>,
    /// Bounds of the last answer's duration, milliseconds.
    pub took: Option<[u64; 2]>,
    /// How the last answer ended: `complete`, `closed`, `reset`, `timeout`, `refused`, `tls`.
    pub end: Option<String>,
    /// Whether the connection of the last answer was `kept` or `closed`.
    pub connection: Option<String>,
    /// Fields of the last line of the access log, by the names in [`crate::bootstrap::LOG_FIELDS`].
    pub log: BTreeMap<String, Want>,
    /// How counters on the admin page changed; null: only compared.
    pub stats: BTreeMap<String, Option<i64>>,
}

/// What a backend must have seen.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SeenWant {
    /// Method.
    pub method: Option<Want>,
    /// Path with query.
    pub path: Option<Want>,
    /// `Host` or `:authority`.
    pub authority: Option<Want>,
    /// `HTTP/1.1`, `HTTP/2` or `tcp`.
    pub protocol: Option<Want>,
    /// Headers.
    pub headers: BTreeMap<String, Want>,
    /// Body, or the bytes that a TCP backend received.
    pub body: Option<Want>,
    /// Trailers.
    pub trailers: BTreeMap<String, Want>,
    /// Server name in the backend's TLS handshake.
    pub sni: Option<Want>,
    /// Protocol agreed on by ALPN in the backend's TLS handshake.
    pub alpn: Option<Want>,
    /// Name of the client certificate in the backend's TLS handshake.
    pub peer: Option<Want>,
}

/// A value, or a list of them.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum OneOrMany<T> {
    /// One value.
    One(T),
    /// Several.
    Many(Vec<T>),
}

impl<T: Clone> OneOrMany<T> {
    /// The values as a list.
    pub fn list(&self) -> Vec<T> {
        match self {
            OneOrMany::One(one) => vec![one.clone()],
            OneOrMany::Many(many) => many.clone(),
        }
    }
}

/// A wish about a text that occurs no time, once or several times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Want {
    /// `null`: must not occur.
    Absent,
    /// `"*"`: must occur.
    Present,
    /// `"/…/r"` (the `r` sets it apart from a path): must occur and match this regular expression.
    Matches(String),
    /// Anything else: exactly these values, in order.
    Exactly(Vec<String>),
}

impl<'de> Deserialize<'de> for Want {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match Value::deserialize(deserializer)? {
            Value::Null => Want::Absent,
            Value::Array(list) => Want::Exactly(list.iter().map(text).collect()),
            value => match text(&value) {
                star if star == "*" => Want::Present,
                pattern if pattern.len() > 2 && pattern.starts_with('/') && pattern.ends_with("/r") => {
                    Want::Matches(pattern[1..pattern.len() - 2].to_owned())
                }
                exact => Want::Exactly(vec![exact]),
            },
        })
    }
}

/// A scalar as it would stand in a header.
pub(crate) fn text(value: &Value) -> String {
    match value {
        Value::String(string) => string.clone(),
        other => other.to_string(),
    }
}
