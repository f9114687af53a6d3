//! Tasks of the repository: `cargo xtask NAME`.
//!
//! | task | what |
//! |---|---|
//! | `ci` | everything that must hold before a change lands; what `.ci/run` calls |
//! | `tidy` | the rules of the code's structure |
//! | `tools` | installs what tests need and the repository does not carry: real Envoy, cargo-deny |
//! | `oracle` | the call table through Envoy and `weft-proxy` |
//! | `crds` | the custom resource definitions of the chart `base`, from crates/crd |
//! | `images` | container images as archives, without a registry |
//! | `cluster` | a real Kubernetes on this machine: `up`, `down` |
//! | `suite NAME` | longer runs, whose results are kept under `results/` |
//! | `h2spec` | conformance of HTTP/2 listeners, by h2spec |
//! | `fuzz` | the codec's fuzz targets, for a time |
//! | `seeded` | bugs sown on purpose, which the oracle must notice |
//! | `bench proxy` | CPU per request, latency, memory and start beside Envoy, nginx, haproxy and bare relays |
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command-line program")]

mod bench;
mod ci;
mod cluster;
mod crds;
mod fuzz;
mod h2spec;
mod images;
mod mesh;
mod oracle;
mod relay;
mod seeded;
mod shell;
mod suite;
mod tidy;
mod tools;

use anyhow::Result;
use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Tasks of the repository.
#[derive(Debug, Parser)]
struct Options {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Everything that must hold before a change lands.
    Ci,
    /// The rules of the code's structure.
    Tidy,
    /// Installs real Envoy and cargo-deny under target/tools.
    Tools,
    /// The call table through Envoy and weft-proxy; see `--help` after `--`.
    #[command(trailing_var_arg = true, allow_hyphen_values = true, disable_help_flag = true)]
    Oracle {
        /// Arguments of the oracle.
        arguments: Vec<String>,
    },
    /// Writes the custom resource definitions of the chart `base`.
    Crds,
    /// Writes container images as archives; none is pulled from anywhere.
    Images(images::Options),
    /// A real Kubernetes on this machine; needs root.
    Cluster(cluster::Options),
    /// Longer runs, whose results are kept.
    Suite {
        /// Which one; without it, the list.
        name: Option<String>,
    },
    /// Conformance of weft-proxy's HTTP/2 listeners, by h2spec.
    H2spec {
        /// Judges this program instead of a debug build of weft-proxy.
        #[arg(long)]
        proxy: Option<std::path::PathBuf>,
    },
    /// Feeds the codec's fuzz targets.
    Fuzz(fuzz::Options),
    /// Sows bugs into a copy of weft-proxy and shows whether the call table notices.
    Seeded {
        /// Only bugs whose name contains this.
        #[arg(default_value = "")]
        only: String,
    },
    /// Measurements.
    Bench(bench::Options),
    /// A bare TCP relay on one thread: the floor of what a proxy can cost.
    #[command(hide = true)]
    Relay {
        /// Address to listen on.
        listen: String,
        /// Address to connect to.
        upstream: String,
    },
    /// The same for HTTP/2, with the crate `h2` alone.
    #[command(hide = true)]
    RelayH2 {
        /// Address to listen on.
        listen: String,
        /// Address to connect to.
        upstream: String,
    },
}

fn main() -> Result<ExitCode> {
    std::env::set_current_dir(shell::root())?;
    let good = match Options::parse().task {
        Task::Ci => ci::run_all()?,
        Task::Tidy => tidy::run()?,
        Task::Tools => tools::install().map(|()| true)?,
        Task::Oracle { arguments } => oracle::run(&arguments)?,
        Task::Crds => crds::write().map(|()| true)?,
        Task::Images(options) => images::write(&options).map(|()| true)?,
        Task::Cluster(options) => cluster::run(&options).map(|()| true)?,
        Task::Suite { name } => suite::run(name.as_deref())?,
        Task::H2spec { proxy } => h2spec::run_all(proxy.as_deref())?,
        Task::Fuzz(options) => fuzz::run_all(&options)?,
        Task::Seeded { only } => seeded::run_all(&only)?,
        Task::Bench(options) => bench::run(&options)?,
        Task::Relay { listen, upstream } => relay::run(&listen, &upstream).map(|()| true)?,
        Task::RelayH2 { listen, upstream } => bench::relay_h2(&listen, &upstream).map(|()| true)?,
    };
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
