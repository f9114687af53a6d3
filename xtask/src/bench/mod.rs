//! Measurements. Proxies are judged by CPU time per request, in rounds that take turns.
//!
//! ```text
//! family ──► case ──► spec ──► kind (one file a proxy) ──► program on cpu 0
//!              └────► load, backend ─────────────────────► programs on cpu 1
//!                        └──► rounds ──► figures ──► table, targets
//! ```
//!
//! A case is a line of a family; what it asks of a proxy is its `Spec`, which each kind of proxy
//! translates into its own configuration. What a proxy cannot do is a row that says so.

mod backend;
mod bootstrap;
mod case;
mod control;
mod family;
mod figures;
mod generate;
mod ground;
mod instructions;
mod kind;
mod load;
mod pki;
mod program;
mod rounds;
mod spec;
mod table;
mod targets;

use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use ground::{Ground, Own};
use kind::Kind;
use rounds::Length;
use std::path::PathBuf;

pub(crate) use generate::relay_h2;

/// What to measure.
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(subcommand)]
    bench: Bench,
}

#[derive(Debug, Subcommand)]
enum Bench {
    /// CPU per request, latency, memory and start of weft-proxy beside Envoy, nginx, haproxy and a bare relay.
    Proxy(ProxyOptions),
    /// Instructions of one request on each path of weft-proxy, held against results/instructions.json.
    Instructions(instructions::Options),
    /// CPU, bytes, time and memory of weftd under a mesh that is simulated: first sync, one endpoint, one
    /// VirtualService, a rolling restart.
    Control(control::Options),
    /// Load generators, for `bench proxy`.
    #[command(hide = true)]
    Load(generate::Load),
    /// Backends, for `bench proxy`.
    #[command(hide = true)]
    Serve(generate::Serve),
}

#[derive(Debug, Args)]
struct ProxyOptions {
    /// About a minute: one round of a second, the cases that have targets, and in each only the peers that
    /// its target names.
    #[arg(long)]
    quick: bool,
    /// Only these cases; may be repeated.
    #[arg(long, value_delimiter = ',')]
    case: Vec<String>,
    /// Only these proxies of: direct, floor, nginx, haproxy, envoy, weft.
    #[arg(long, value_delimiter = ',')]
    proxies: Vec<String>,
    /// Rounds; 5, or 1 with --quick.
    #[arg(long)]
    rounds: Option<usize>,
    /// Seconds of each measurement; 3, or 1 with --quick.
    #[arg(long)]
    seconds: Option<u64>,
    /// Seconds of each measurement at 1,000 requests/s; 2, or 1 with --quick; 0 leaves them out.
    #[arg(long)]
    paced_seconds: Option<u64>,
    /// Another weft-proxy, such as target/profiling/weft-proxy.
    #[arg(long, value_name = "PATH")]
    weft: Option<PathBuf>,
    /// Measure the binaries that are there.
    #[arg(long)]
    no_build: bool,
    /// Also write all figures to this file.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// List the cases.
    #[arg(long)]
    list: bool,
}

/// Runs a measurement.
pub(crate) fn run(options: &Options) -> Result<bool> {
    match &options.bench {
        Bench::Proxy(options) => proxy(options).map(|()| true),
        Bench::Control(options) => control::run(options).map(|()| true),
        Bench::Instructions(options) => instructions::run(options),
        Bench::Load(load) => generate::load(load).map(|()| true),
        Bench::Serve(serve) => generate::serve(serve).map(|()| true),
    }
}

fn proxy(options: &ProxyOptions) -> Result<()> {
    let cases = family::named(&options.case)?;
    let only = Kind::named(&options.proxies)?;
    if options.list {
        for case in cases {
            println!("{:24} {}", case.name, case.what);
        }
        return Ok(());
    }
    let quick = options.quick;
    let length = Length {
        rounds: options.rounds.unwrap_or(if quick { 1 } else { 5 }).max(1),
        seconds: options.seconds.unwrap_or(if quick { 1 } else { 3 }).max(1),
        paced_seconds: options.paced_seconds.unwrap_or(if quick { 0 } else { 2 }),
        warm_up: u64::from(!quick),
    };
    let own = if options.no_build { Own::There } else { Own::Built };
    let ground = Ground::prepare(options.weft.as_deref(), own)?;
    println!("{}", ground::machine());
    let mut all = Vec::new();
    for case in &cases {
        // A case that was asked for by name runs with all its peers, however quick.
        let takes_part = if quick && options.case.is_empty() { case.quick } else { case.kinds };
        let kinds: Vec<Kind> =
            takes_part.iter().copied().filter(|kind| only.is_empty() || only.contains(kind)).collect();
        if kinds.is_empty() {
            println!("\n{}: left out, for none of its proxies is asked for", case.name);
            continue;
        }
        println!("\n{}: {}", case.name, case.what);
        let ran = rounds::run(&ground, case, &kinds, length).with_context(|| case.name)?;
        table::print(&ran);
        all.push(ran);
    }
    if options.case.is_empty() {
        targets::print(&all);
    }
    if let Some(path) = &options.json {
        let text = serde_json::to_string_pretty(&table::json(&all))? + "\n";
        std::fs::write(path, text).with_context(|| path.display().to_string())?;
    }
    Ok(())
}
