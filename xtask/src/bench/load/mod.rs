//! What drives the proxies: wrk, h2load and iperf3 where they fit, generators of our own where not.

mod h2load;
mod iperf;
mod own;
mod wrk;

pub(super) use own::Said;

use super::figures::Sample;
use super::ground::Ground;
use super::pki;
use super::program::LOAD_CPU;
use crate::shell::command;
use anyhow::{Context, Result, bail};

/// A load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Load {
    /// HTTP/1.1 as fast as it goes; `post` is the length of a body that is sent, 0 is a GET.
    Wrk { connections: u32, close: bool, path: &'static str, post: usize },
    /// HTTP/2 as fast as it goes; `post` as above, as one gRPC message.
    H2load { clients: u32, streams: u32, path: &'static str, post: usize },
    /// One TCP stream as fast as it goes, to the server or down from it.
    Iperf { down: bool },
    /// gRPC streams of 1,000 messages each, each sent back.
    Streams,
    /// Mutual TLS handshakes with one request on each; resumed or full.
    Handshakes { resumed: bool },
    /// Connections that did one request and then hold still: for memory.
    Hold { connections: u32 },
    /// None: for starting and for memory at rest.
    Start,
}

/// What a load did.
#[derive(Debug, Default)]
pub(super) struct Done {
    /// Requests, messages, handshakes or MB.
    pub(super) operations: f64,
    /// Rate and latencies.
    pub(super) sample: Sample,
}

impl Load {
    /// wrk with 64 connections that are kept.
    pub(super) const WRK: Self = Self::Wrk { connections: 64, close: false, path: "/body", post: 0 };

    /// Whether each measurement is of a fresh proxy.
    pub(super) fn restarts(self) -> bool {
        matches!(self, Self::Hold { .. } | Self::Start)
    }

    /// Runs it against a port.
    ///
    /// # Errors
    /// When anything but what was asked for came back.
    pub(super) fn run(self, ground: &Ground, port: u16, seconds: u64) -> Result<Done> {
        match self {
            Self::Wrk { connections, close, path, post } => {
                wrk::run(ground, port, seconds, (connections, close, path, post))
            }
            Self::H2load { clients, streams, path, post } => {
                h2load::run(ground, port, seconds, (clients, streams, path, post))
            }
            Self::Iperf { down } => iperf::run(port, seconds, down),
            Self::Streams => own::run(ground, &["streams", &port.to_string(), &seconds.to_string()]),
            Self::Handshakes { resumed } => {
                pki::issue(ground, "client")?;
                let mode = if resumed { "resumed" } else { "full" };
                own::run(
                    ground,
                    &["handshakes", &port.to_string(), &seconds.to_string(), mode, &ground.path("")],
                )
            }
            Self::Hold { .. } | Self::Start => Ok(Done::default()),
        }
    }
}

/// Requests at a steady 1,000 in a second, open loop: a late answer delays no request, and latency counts
/// from when a request was due.
///
/// # Errors
/// When a request fails.
pub(super) fn paced(ground: &Ground, port: u16, seconds: u64, path: &str) -> Result<Done> {
    own::run(ground, &["paced", &port.to_string(), &seconds.to_string(), path])
}

/// Runs a generator on its cpu and reads what it says.
fn said(words: &[&str]) -> Result<String> {
    let cpu = LOAD_CPU.to_string();
    let mut all = vec!["taskset", "-c", &cpu];
    all.extend(words);
    let out = command(&all)
        .env_remove("RUST_BACKTRACE")
        .output()
        .with_context(|| format!("starting {}", words[0]))?;
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    if !out.status.success() {
        bail!("{} failed: {text}{}", words.join(" "), String::from_utf8_lossy(&out.stderr));
    }
    Ok(text)
}

/// The number before a word.
fn before(text: &str, word: &str) -> Option<f64> {
    text[..text.find(word)?].split_whitespace().last()?.trim_end_matches(',').parse().ok()
}

/// The number after a word; a time in milliseconds.
fn after(text: &str, word: &str) -> Option<f64> {
    time(text[text.find(word)? + word.len()..].split_whitespace().next()?)
}

/// A number, or a time in milliseconds.
fn time(value: &str) -> Option<f64> {
    let (number, factor) = match value {
        _ if value.ends_with("us") => (value.trim_end_matches("us"), 1e-3),
        _ if value.ends_with("ms") => (value.trim_end_matches("ms"), 1.0),
        _ if value.ends_with('s') => (value.trim_end_matches('s'), 1e3),
        _ => (value.trim_end_matches(','), 1.0),
    };
    Some(number.parse::<f64>().ok()? * factor)
}
