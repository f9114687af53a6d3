//! The program: a CNI plugin when the container runtime calls it, else the node agent.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser as _;

/// Redirects pods' traffic to their sidecars without rights in the pods.
#[derive(Debug, clap::Parser)]
#[command(name = "weft-cni", version)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// The node agent.
    Agent(Box<weft_cni::agent::Settings>),
    /// Enters a network namespace and becomes another program.
    #[command(hide = true)]
    Enter {
        #[arg(long)]
        netns: PathBuf,
        #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
        // Words may be empty, which paths may not.
        command: Vec<OsString>,
    },
}

fn main() -> ExitCode {
    if std::env::var_os("CNI_COMMAND").is_some() {
        let environment: BTreeMap<String, String> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        let (said, failed) = weft_cni::plugin::run(&environment, std::io::stdin().lock());
        if !said.is_null() {
            // The runtime that asked is gone: nobody is left to tell.
            let _ = writeln!(std::io::stdout(), "{said}");
        }
        return if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS };
    }
    match run(CommandLine::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "weft-cni: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<()> {
    match command {
        Command::Enter { netns, command } => weft_cni::rules::enter(&netns, &command),
        Command::Agent(settings) => {
            let level = settings.log_level.rsplit(':').next().unwrap_or("info");
            let level = level.parse().unwrap_or(tracing::level_filters::LevelFilter::INFO);
            let lines = tracing_subscriber::fmt().with_max_level(level).with_writer(std::io::stderr);
            if settings.log_json {
                lines.json().init();
            } else {
                lines.with_ansi(false).init();
            }
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(weft_cni::agent::run(*settings))
        }
    }
}
