//! Changes under load, told as a table: `weft-mesh --proxy weft --edits 200`.
#![allow(clippy::print_stdout, reason = "the table is what it is for")]

use anyhow::Result;
use clap::{Parser, ValueEnum};
use std::process::ExitCode;
use weft_lab::mesh::Proxy;
use weft_lab::mesh::changes::{Amount, run};

/// Edits, replacements, kills and an outage of the control plane, under load.
#[derive(Debug, Parser)]
struct Args {
    /// Which proxy.
    #[arg(long, value_enum, default_value = "weft")]
    proxy: Which,
    /// Edits of configuration files.
    #[arg(long, default_value_t = 200)]
    edits: u32,
    /// Endpoints replaced in order.
    #[arg(long, default_value_t = 50)]
    replacements: u32,
    /// Endpoints killed with -9.
    #[arg(long, default_value_t = 20)]
    kills: u32,
    /// Seconds without a control plane.
    #[arg(long, default_value_t = 30)]
    outage: u64,
    /// Requests per second.
    #[arg(long, default_value_t = 500)]
    rate: u32,
    /// WebSockets held open during the edits.
    #[arg(long, default_value_t = 20)]
    sockets: usize,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Which {
    Weft,
    Envoy,
}

fn main() -> Result<ExitCode> {
    let Args { proxy, edits, replacements, kills, outage, rate, sockets } = Args::parse();
    let amount = Amount { edits, replacements, kills, outage, rate, sockets };
    let proxy = match proxy {
        Which::Weft => Proxy::Weft,
        Which::Envoy => Proxy::Envoy,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let parts = runtime.block_on(run(proxy, amount))?;
    println!("{:14} {:>9} {:>8} {:>8}", "part", "good", "failed", "broken");
    let mut good = true;
    for part in &parts {
        let broken = part.broken.map_or_else(|| "-".to_owned(), |broken| broken.to_string());
        println!("{:14} {:9} {:8} {:8}", part.name, part.tally.good, part.tally.failed(), broken);
        for (kind, count) in &part.tally.failures {
            println!("    {count} × {kind}");
        }
        good &= part.tally.failed() == 0 && part.broken.unwrap_or(0) == 0;
    }
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
