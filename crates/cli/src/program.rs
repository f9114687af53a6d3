//! From the command line to a command, and to an exit code.

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser as _;

use crate::args::{Args, Command, DemoArgs, UpArgs};
use crate::mesh::Mesh;
use crate::session::Ending;
use crate::siblings::Siblings;
use crate::signals::Signals;
use crate::view::{View, note};
use crate::{demo, kube_inject, launch, run, up};

/// Exit code of a program that could not be executed, as in shells.
const NOT_EXECUTED: u8 = 127;

/// The program `weft`.
#[must_use]
pub fn main() -> ExitCode {
    let outcome = match Args::parse().command {
        Command::ExecChild { parent, argv } => match launch::exec(parent, &argv) {
            Ok(never) => match never {},
            Err(error) => {
                note(&format!("weft: {error:#}"));
                return ExitCode::from(NOT_EXECUTED);
            }
        },
        Command::Demo(args) => block_on(run_demo(&args)),
        Command::Up(args) => block_on(run_up(&args)),
        Command::Run(args) => block_on(run::run(&args)),
        Command::KubeInject(args) => kube_inject::run(&args),
    };
    outcome.unwrap_or_else(|error| {
        note(&format!("weft: {error:#}"));
        ExitCode::FAILURE
    })
}

/// One thread, the main one: children are killed when the thread that made them ends.
fn block_on(work: impl Future<Output = Result<ExitCode>>) -> Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.context("cannot start the runtime")?.block_on(work)
}

async fn run_demo(args: &DemoArgs) -> Result<ExitCode> {
    let mut signals = Signals::new()?;
    let name = format!("demo-{}", args.port);
    let mut mesh =
        Mesh::prepare(&name, args.port, Siblings::find, || demo::write_files(args.dir.as_deref()))?;
    let mut view = View::new(args.json);
    let ended = tokio::select! {
        ended = demo::run(&mut mesh, &mut view, args) => Some(ended),
        _ = signals.next() => None,
    };
    finish(mesh, &mut view, &mut signals, ended, args.rate > 0).await
}

async fn run_up(args: &UpArgs) -> Result<ExitCode> {
    let mut signals = Signals::new()?;
    let mut mesh = Mesh::prepare(&args.name, args.port, Siblings::find, || up::existing(&args.dir))?;
    let mut view = View::new(args.json);
    let ended = tokio::select! {
        ended = up::run(&mut mesh, &mut view, args) => Some(ended),
        _ = signals.next() => None,
    };
    finish(mesh, &mut view, &mut signals, ended, false).await
}

/// Ends the mesh, then says how it went; a second signal meanwhile ends everything at once.
async fn finish(
    mesh: Mesh,
    view: &mut View,
    signals: &mut Signals,
    ended: Option<Result<Ending>>,
    with_load: bool,
) -> Result<ExitCode> {
    let made_dir = mesh.record.owned.is_some();
    let dir = mesh.record.dir.display().to_string();
    if ended.is_none() {
        view.tell("stopping");
    }
    tokio::select! {
        kept = mesh.stop() => if kept && made_dir {
            view.tell(&format!("your changes are kept in {dir}; go on with weft demo --dir {dir}"));
        },
        _ = signals.next() => return Ok(ExitCode::FAILURE),
    }
    // Ended by a signal: as asked for.
    let Some(ending) = ended else { return Ok(ExitCode::SUCCESS) };
    let Ending { summary, last_failure } = ending?;
    view.show(&summary)?;
    let good = summary.load.is_none_or(|load| load.succeeded > 0 && load.failed == 0) || !with_load;
    if let (false, Some(failure)) = (good, last_failure) {
        view.tell(&format!("the last request that failed: {failure}"));
    }
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
