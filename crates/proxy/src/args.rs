//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand};
use weft_agent::settings::Flags;

use crate::agent::{AgentFlags, EndWithParent};
use crate::redirect::RedirectFlags;

/// Weft's data plane: runs an ordinary Envoy bootstrap (`--config FILE`), or under a control plane
/// (`sidecar`, `router`),
/// or runs an Envoy under one (`agent`).
#[derive(Debug, Parser)]
#[command(
    name = "weft-proxy",
    version,
    args_conflicts_with_subcommands = true,
    arg_required_else_help = true
)]
pub(crate) struct CommandLine {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,

    #[command(flatten)]
    pub(crate) file: Option<Args>,
}

/// What else the program does.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Stand beside a workload: configuration and identity come from the control plane.
    Sidecar(Box<Flags>),
    /// Be a gateway: configuration and identity come from the control plane.
    Router(Box<Flags>),
    /// Run an Envoy: its configuration and identity come from the control plane.
    Agent(Box<AgentFlags>),
    /// Set the rules by which a pod's connections come to its proxy.
    #[command(alias = "istio-iptables")]
    Redirect(Box<RedirectFlags>),
    /// Wait until the proxy of this pod is ready.
    Wait(crate::wait::WaitFlags),
    /// Become a program that ends with its parent; how `agent` starts Envoy.
    #[command(hide = true)]
    EndWithParent(EndWithParent),
}

/// Running a bootstrap.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Envoy bootstrap, YAML or JSON.
    #[arg(short = 'c', long = "config", value_name = "FILE")]
    pub(crate) config: PathBuf,

    /// Worker threads; 0 is one a core (Envoy `--concurrency`).
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub(crate) concurrency: usize,

    /// `serve`, or `validate`: check the file, list what is not supported, and exit.
    #[arg(long, default_value = "serve", value_parser = ["serve", "validate"])]
    pub(crate) mode: String,

    /// Log filter, such as `info` or `weft_proxy=debug` (default `warn`).
    #[arg(short = 'l', long = "log-level", default_value = "warn", value_name = "FILTER")]
    pub(crate) log_level: String,

    /// How long open requests may go on after SIGTERM, and connections of a listener that is changed or
    /// removed, in seconds (Envoy `--drain-time-s`).
    #[arg(long = "drain-time-s", default_value_t = 5, value_name = "SECONDS")]
    drain_time_s: u64,

    /// Start although parts of the file are refused, and run the rest.
    #[arg(long)]
    pub(crate) skip_refused: bool,

    /// Also register the three test filters (`weft.test.Authorize`, `weft.test.RewriteBody`,
    /// `weft.test.ReplyOnResponse`), for the call table.
    #[arg(long, hide = true)]
    pub(crate) test_filters: bool,
}

impl Args {
    pub(crate) fn drain_time(&self) -> Duration {
        Duration::from_secs(self.drain_time_s)
    }
}

/// The number of worker threads: 0 is one a core.
pub(crate) fn workers(concurrency: usize) -> usize {
    match concurrency {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        n => n,
    }
}
