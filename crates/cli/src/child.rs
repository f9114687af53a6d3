//! One child process: what to start, where its output goes, how it ends.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::{Child, Command};

use crate::launch::Launcher;

/// Most bytes at the end of a log that are looked at when a child has died.
const TAIL_BYTES: u64 = 8 << 10;
/// Most lines of it that are shown.
const TAIL_LINES: usize = 8;
/// A log longer than this begins anew; bytes.
const MAX_LOG_BYTES: u64 = 16 << 20;
/// What children keep of our environment; the rest (proxies, ports, pod names) would be theirs by mistake.
const KEPT: [&str; 8] =
    ["PATH", "HOME", "LANG", "TMPDIR", "RUST_LOG", "RUST_BACKTRACE", "LD_LIBRARY_PATH", "LLVM_PROFILE_FILE"];

/// A process to start.
#[derive(Debug, Clone)]
pub struct Spec {
    /// Name for people and for the log file, such as `reviews-v1-sidecar`.
    pub name: String,
    /// Program file.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Its environment, besides a few harmless variables of ours.
    pub environment: Vec<(String, String)>,
    /// File for standard output and standard error, appended to.
    pub log: PathBuf,
}

impl Spec {
    /// Starts it in a process group of its own, so that Ctrl-C in a terminal reaches only us and the end
    /// comes in order.
    ///
    /// # Errors
    /// If the log cannot be opened or the process not be made.
    pub fn spawn(&self, launcher: &Launcher) -> io::Result<Child> {
        let log = OpenOptions::new().create(true).append(true).mode(0o600).open(&self.log)?;
        let mut command = Command::from(launcher.command(&self.program));
        command.args(&self.arguments).env_clear();
        command.envs(KEPT.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        command.process_group(0).kill_on_drop(true).spawn()
    }

    /// The last lines of its log, indented.
    #[must_use]
    pub fn last_words(&self) -> String {
        tail(&self.log).unwrap_or_else(|error| format!("    (no log: {error})"))
    }

    /// Begins the log anew if it has grown too long.
    pub fn trim_log(&self) {
        let long = std::fs::metadata(&self.log).is_ok_and(|log| log.len() > MAX_LOG_BYTES);
        if long && let Ok(file) = OpenOptions::new().write(true).open(&self.log) {
            // The child's own descriptor appends, so it goes on at the new end.
            let _ = file.set_len(0);
        }
    }
}

/// SIGTERM, then after `patience` SIGKILL; returns when the process is gone.
pub async fn end(child: &mut Child, patience: Duration) -> Option<ExitStatus> {
    send(child, Signal::SIGTERM);
    if let Ok(status) = tokio::time::timeout(patience, child.wait()).await {
        return status.ok();
    }
    let _ = child.start_kill();
    child.wait().await.ok()
}

/// Sends a signal to a child that has not been waited for.
pub fn send(child: &Child, signal: Signal) {
    if let Some(pid) = child.id().and_then(|pid| i32::try_from(pid).ok()) {
        // It may have ended this moment.
        let _ = kill(Pid::from_raw(pid), signal);
    }
}

fn tail(log: &Path) -> io::Result<String> {
    let mut file = File::open(log)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
    let mut bytes = Vec::new();
    file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let last = &lines[lines.len().saturating_sub(TAIL_LINES)..];
    if last.is_empty() {
        return Ok("    (it wrote nothing)".to_owned());
    }
    Ok(last.iter().map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n"))
}
