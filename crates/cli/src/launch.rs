//! How a child process is started so that it ends with us, whatever ends us.
//!
//! The kernel's parent-death signal must be set by the child itself, between fork and exec, which in a
//! program of many threads takes `unsafe`. So the child is first this very program, as `weft exec-child`: it
//! sets the signal by a safe call and becomes the program asked for. Every program can be started that
//! way, without a flag of its own.

use std::convert::Infallible;
use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::unistd::{Pid, getppid};

/// Name of the hidden subcommand.
pub const SUBCOMMAND: &str = "exec-child";

/// The `weft` program that children are first.
#[derive(Debug, Clone)]
pub struct Launcher {
    weft: PathBuf,
}

impl Launcher {
    /// This very process's program; works even when its file has been replaced meanwhile.
    #[must_use]
    pub fn own() -> Self {
        Self { weft: PathBuf::from("/proc/self/exe") }
    }

    /// The `weft` at this path, for tests, whose own program is another.
    #[must_use]
    pub fn at(weft: impl Into<PathBuf>) -> Self {
        Self { weft: weft.into() }
    }

    /// A command for a program that is killed (SIGKILL) when the calling thread ends: call from the main
    /// thread.
    #[must_use]
    pub fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(&self.weft);
        command.arg0("weft").arg(SUBCOMMAND).arg(std::process::id().to_string()).arg("--").arg(program);
        command
    }
}

/// `weft exec-child PARENT -- PROGRAM ARGUMENTS…`: becomes the program.
///
/// # Errors
/// If the parent is gone already, or the program cannot be executed.
pub fn exec(parent: i32, argv: &[OsString]) -> Result<Infallible> {
    let Some((program, arguments)) = argv.split_first() else { bail!("no program to execute") };
    set_pdeathsig(Signal::SIGKILL).context("cannot ask for a signal at the parent's death")?;
    // It may have died before the line above.
    if getppid() != Pid::from_raw(parent) {
        bail!("the parent process {parent} is gone");
    }
    let error = Command::new(program).args(arguments).exec();
    Err(error).with_context(|| format!("cannot execute {}", Path::new(program).display()))
}
