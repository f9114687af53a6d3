//! What a scripted HTTP backend answers to one request. All times are milliseconds.

use super::Move;
use serde::Deserialize;
use std::collections::BTreeMap;

/// One answer of a scripted backend.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Reply {
    /// Status; default 200.
    pub status: u16,
    /// Headers added to the answer.
    pub headers: BTreeMap<String, String>,
    /// Body; the backend's name when neither this nor `size` is given.
    pub body: Option<String>,
    /// Body of this many bytes of a fixed pattern.
    pub size: Option<usize>,
    /// Use chunked framing and no content-length.
    pub chunked: bool,
    /// No length at all: the body ends with the connection (HTTP/1 only).
    pub until_close: bool,
    /// Trailers.
    pub trailers: BTreeMap<String, String>,
    /// Time before the head is sent.
    pub delay: u64,
    /// Time between the head with half of the body and the rest.
    pub body_delay: u64,
    /// Interim answers sent first, such as 100 or 103.
    pub interim: Vec<u16>,
    /// Answer with the head before the request's body has been read.
    pub early: bool,
    /// How the answer breaks, if it does.
    pub breaks: Option<Breakage>,
    /// Announce and do a close of the connection after the answer.
    pub close: bool,
    /// These bytes instead of an answer (HTTP/1 only).
    pub raw: Option<String>,
    /// Accept the upgrade or CONNECT with 101 or 200, then do these moves on the stream.
    pub tunnel: Option<Vec<Move>>,
}

impl Default for Reply {
    fn default() -> Self {
        Reply {
            status: 200,
            headers: BTreeMap::new(),
            body: None,
            size: None,
            chunked: false,
            until_close: false,
            trailers: BTreeMap::new(),
            delay: 0,
            body_delay: 0,
            interim: Vec::new(),
            early: false,
            breaks: None,
            close: false,
            raw: None,
            tunnel: None,
        }
    }
}

/// Where an answer breaks off. On HTTP/2 each of them resets the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Breakage {
    /// RST instead of an answer.
    ResetBeforeHead,
    /// FIN instead of an answer.
    CloseBeforeHead,
    /// RST after the head, before any of the body.
    ResetAfterHead,
    /// FIN after half of the body.
    CloseMidBody,
    /// RST after half of the body.
    ResetMidBody,
    /// Nothing, ever; the connection stays open.
    Hang,
    /// Nothing after half of the body; the connection stays open.
    HangMidBody,
    /// HTTP/2 only: REFUSED_STREAM instead of an answer.
    Refused,
    /// HTTP/2 only: GOAWAY after the answer.
    Goaway,
}
