//! A proxy as a child process: started, watched, and killed by its own pid whatever happens.

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::File;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How long a proxy may take to become ready.
const START: Duration = Duration::from_secs(20);
/// How long it may take to stop before it is killed.
const STOP: Duration = Duration::from_millis(400);

/// A running child; dropping it kills it.
#[derive(Debug)]
pub struct Process {
    child: Child,
    errors: PathBuf,
}

impl Process {
    /// Starts `command` with its output going to a file in `dir`.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(mut command: Command, dir: &Path) -> Result<Self> {
        let errors = dir.join("stderr.log");
        // Opened once more by its path where a program logs to /dev/stdout, perhaps as another user:
        // whoever writes, writes at the end.
        let _ = std::fs::remove_file(&errors);
        let out = File::options().append(true).create_new(true).open(&errors)?;
        std::fs::set_permissions(&errors, PermissionsExt::from_mode(0o666))?;
        command.stdin(Stdio::null()).stdout(out.try_clone()?).stderr(out);
        let child = command.spawn().with_context(|| format!("starting {command:?}"))?;
        Ok(Process { child, errors })
    }

    /// Waits until `ready` says yes.
    ///
    /// # Errors
    /// When the process ends first, or takes too long.
    pub async fn until_ready<F: Future<Output = bool>>(&mut self, ready: impl Fn() -> F) -> Result<()> {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                bail!("ended with {status}: {}", self.complaints());
            }
            if ready().await {
                return Ok(());
            }
            if begun.elapsed() > START {
                bail!("not ready after {START:?}: {}", self.complaints());
            }
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// Whether it is still running.
    pub fn alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// The end of what it wrote to standard output and error.
    pub fn complaints(&self) -> String {
        let text = std::fs::read(&self.errors).unwrap_or_default();
        let tail = &text[text.len().saturating_sub(2000)..];
        String::from_utf8_lossy(tail).trim().to_owned()
    }

    /// Asks it to stop, and kills it when it does not.
    pub async fn stop(mut self) {
        self.signal(Signal::SIGTERM);
        let begun = Instant::now();
        while self.alive() && begun.elapsed() < STOP {
            sleep(Duration::from_millis(5)).await;
        }
    }

    fn signal(&self, signal: Signal) {
        if let Ok(pid) = i32::try_from(self.child.id()) {
            let _ = kill(Pid::from_raw(pid), signal);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.alive() {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}

/// The program behind a path: a Python package's console script is only a way to find the binary in
/// it, and starting Python for each proxy would cost more than the proxy.
pub fn binary(path: &Path) -> PathBuf {
    let script = std::fs::read(path).is_ok_and(|bytes| bytes.starts_with(b"#!"));
    let inside = |root: &Path| {
        let versions = std::fs::read_dir(root.join("lib")).ok()?;
        let binaries = versions.flatten().map(|dir| dir.path().join("site-packages/envoy/_bin/envoy"));
        binaries.into_iter().find(|binary| binary.exists())
    };
    let found = path.parent().and_then(Path::parent).filter(|_| script).and_then(inside);
    found.unwrap_or_else(|| path.to_owned())
}
