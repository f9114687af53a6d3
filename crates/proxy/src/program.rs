//! Arguments → configuration → what is to be served.

use std::io::{IsTerminal as _, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use weft_agent::node::Role;
use weft_agent::settings::Flags;
use weft_filter::OpenFilters;

use crate::agent::AgentFlags;
use crate::args::{self, Args, Command, CommandLine};
use crate::config;
use crate::dynamic::Source;
use crate::serving::{self, Plan};
use crate::{agent, redirect, sidecar, test_filters, wait};

/// Runs the program; its exit code is 0 after an orderly end, 1 when it could not start.
#[must_use]
pub fn main() -> ExitCode {
    let CommandLine { command, file } = CommandLine::parse();
    let outcome = match (command, file) {
        (Some(Command::Sidecar(flags)), _) => proxy(*flags, Role::Sidecar),
        (Some(Command::Router(flags)), _) => proxy(*flags, Role::Router),
        (Some(Command::Agent(flags)), _) => agent::run(*flags),
        (Some(Command::Redirect(flags)), _) => redirect::run(&flags),
        (Some(Command::Wait(flags)), _) => wait::run(&flags),
        (Some(Command::EndWithParent(flags)), _) => agent::end_with_parent(flags),
        (None, Some(args)) => bootstrap(&args),
        (None, None) => Err(anyhow::anyhow!("give --config FILE, or a subcommand; --help lists them")),
    };
    outcome.unwrap_or_else(|error| {
        say(&format!("weft-proxy: {error:#}"));
        ExitCode::FAILURE
    })
}

fn proxy(flags: Flags, role: Role) -> anyhow::Result<ExitCode> {
    match AgentFlags::in_place_of(&flags, role) {
        Some(flags) => agent::run(flags),
        None => sidecar::run(flags, role),
    }
}

pub(crate) fn say(line: &str) {
    // A closed standard error leaves nobody to tell.
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Starts to log; a filter that cannot be read is `warn`.
pub(crate) fn log(level: &str) {
    let colours = std::io::stderr().is_terminal();
    let lines = tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(colours);
    // A filter by module brings expressions to match with, which a level alone does not need.
    if let Ok(level) = level.parse::<tracing::level_filters::LevelFilter>() {
        return lines.with_max_level(level).init();
    }
    let filter = tracing_subscriber::EnvFilter::try_new(level).unwrap_or_else(|_| "warn".into());
    lines.with_env_filter(filter).init();
}

/// Runs a bootstrap file.
fn bootstrap(args: &Args) -> anyhow::Result<ExitCode> {
    log(&args.log_level);
    let loaded = config::load(&args.config)?;
    for line in config::remarks(&loaded, &args.config) {
        say(&line);
    }
    let open_filters = if args.test_filters { test_filters::all() } else { OpenFilters::default() };
    if let Some(kind) = config::missing_filters(&loaded.tables, &open_filters).first() {
        anyhow::bail!(
            "{}: no HTTP filter of kind {kind:?} is built into this program",
            args.config.display()
        );
    }
    if args.mode == "validate" {
        let verdict = if loaded.is_clean() { "OK" } else { "refused" };
        say(&format!("configuration '{}' {verdict}", args.config.display()));
        return Ok(if loaded.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    if !loaded.is_clean() && !args.skip_refused {
        anyhow::bail!(
            "{} is not served: mend what is refused above, or start with --skip-refused to run the rest",
            args.config.display()
        );
    }
    weft_net::rlimit::raise_open_files().ok();
    let source = loaded
        .tables
        .bootstrap
        .discovery
        .clone()
        .map(|server| Source::Cluster { server, node: Box::new(loaded.node.clone()) });
    serving::run(Plan {
        loaded,
        open_filters,
        workers: args::workers(args.concurrency),
        end_time: args.drain_time(),
        drain_time: args.drain_time(),
        source,
        pages: Vec::new(),
        application: None,
        probers: None,
        linger: Duration::ZERO,
    })
}
