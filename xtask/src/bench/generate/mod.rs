//! Load generators and backends where wrk, h2load, iperf3 and nginx do not fit: hidden tasks of this
//! program, run optimized and on the cpu of the load.

mod grpc;
mod handshakes;
mod paced;
mod pump;
mod relay_h2;
mod streams;
mod upload;

use super::load::Said;
use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use std::path::{Path, PathBuf};

pub(crate) use relay_h2::run as relay_h2;

/// A generator.
#[derive(Debug, Args)]
pub(super) struct Load {
    #[command(subcommand)]
    kind: LoadKind,
}

#[derive(Debug, Subcommand)]
enum LoadKind {
    /// 1,000 requests/s of HTTP/1.1, open loop.
    Paced { port: u16, seconds: u64, path: String },
    /// gRPC streams of 1,000 messages.
    Streams { port: u16, seconds: u64 },
    /// Mutual TLS handshakes, `full` or `resumed`, with the certificates of a folder.
    Handshakes { port: u16, seconds: u64, mode: String, dir: PathBuf },
}

/// A backend.
#[derive(Debug, Args)]
pub(super) struct Serve {
    kind: String,
    port: u16,
}

/// Runs a generator and prints what it did.
pub(super) fn load(load: &Load) -> Result<()> {
    let said = match &load.kind {
        LoadKind::Paced { port, seconds, path } => paced::run(*port, *seconds, path)?,
        LoadKind::Streams { port, seconds } => streams::run(*port, *seconds)?,
        LoadKind::Handshakes { port, seconds, mode, dir } => {
            handshakes::run(*port, *seconds, mode == "resumed", dir)?
        }
    };
    println!("{}", serde_json::to_string(&said)?);
    Ok(())
}

/// Runs a backend until it is killed.
pub(super) fn serve(serve: &Serve) -> Result<()> {
    match serve.kind.as_str() {
        "grpc" => grpc::run(serve.port),
        "upload" => upload::run(serve.port),
        other => bail!("no backend `{other}`"),
    }
}

/// So many calls of gRPC, one after another on one connection.
///
/// # Errors
/// When one fails.
pub(super) fn calls(port: u16, count: u64) -> Result<()> {
    streams::calls(port, count)
}

/// So many handshakes, one after another.
///
/// # Errors
/// When one fails.
pub(super) fn shake_hands(port: u16, count: u64, resumed: bool, dir: &Path) -> Result<()> {
    handshakes::count(port, count, resumed, dir)
}

/// What the latencies of requests, µs, come to.
fn summary(mut micros: Vec<f64>, seconds: f64) -> Said {
    micros.sort_by(f64::total_cmp);
    let at = |share: usize| micros.get(micros.len().saturating_sub(1) * share / 100).copied();
    let millis = |share| at(share).unwrap_or(f64::NAN) / 1e3;
    #[allow(clippy::cast_precision_loss, reason = "a count of requests")]
    let operations = micros.len() as f64;
    Said { operations, per_second: operations / seconds, p50_ms: millis(50), p99_ms: millis(99) }
}
