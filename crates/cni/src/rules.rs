//! Rules in a pod's network namespace: this program enters it and becomes `weft-proxy redirect`.

use std::ffi::OsString;
use std::fs::File;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use nix::sched::{CloneFlags, setns};

/// Longest time for the rules of one pod.
const LIMIT: Duration = Duration::from_secs(15);

/// Sets the rules of a pod by a child process.
///
/// # Errors
/// What the child says.
pub async fn set(proxy: &Path, netns: &Path, words: &[String]) -> Result<()> {
    let own = std::env::current_exe().context("this program's own file")?;
    let mut child = tokio::process::Command::new(own);
    child.arg("enter").arg("--netns").arg(netns).arg("--").arg(proxy).arg("redirect").args(words);
    // The agent's environment is not the pod's.
    child.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    child.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
    let done =
        tokio::time::timeout(LIMIT, child.output()).await.context("setting rules takes too long")??;
    if !done.status.success() {
        bail!("{}", String::from_utf8_lossy(&done.stderr).trim());
    }
    Ok(())
}

/// Enters a network namespace and becomes another program.
///
/// # Errors
/// The namespace cannot be entered, or the program not be run.
pub fn enter(netns: &Path, command: &[OsString]) -> Result<()> {
    let file = File::open(netns).with_context(|| format!("network namespace {}", netns.display()))?;
    setns(&file, CloneFlags::CLONE_NEWNET).with_context(|| format!("entering {}", netns.display()))?;
    let Some((program, words)) = command.split_first() else { bail!("no program is named") };
    let error = std::process::Command::new(program).args(words).exec();
    Err(error).with_context(|| format!("running {}", Path::new(program).display()))
}
