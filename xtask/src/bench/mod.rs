//! Measurements. Proxies are judged by CPU time per request, in rounds that take turns, so that a
//! machine whose speed drifts treats all alike.

mod proxy;
mod server;

use anyhow::Result;
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// What to measure.
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(subcommand)]
    bench: Bench,
}

#[derive(Debug, Subcommand)]
enum Bench {
    /// CPU per request of one HTTP/1.1 hop: bare relay, nginx, Envoy, weft-proxy.
    Proxy(ProxyOptions),
}

#[derive(Debug, Args)]
struct ProxyOptions {
    /// A first look: three rounds of three seconds.
    #[arg(long)]
    quick: bool,
    /// Rounds.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds of each measurement.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Connections of the load generator.
    #[arg(long, default_value_t = 64)]
    connections: u32,
    /// Measure the release binaries that are there.
    #[arg(long)]
    no_build: bool,
    /// Also write the figures to this file.
    #[arg(long)]
    json: Option<PathBuf>,
}

/// Runs a measurement.
pub(crate) fn run(options: &Options) -> Result<bool> {
    match &options.bench {
        Bench::Proxy(options) => proxy::run(options).map(|()| true),
    }
}
