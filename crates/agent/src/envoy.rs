//! Envoy as a child: started, started again when it dies, drained and ended.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use http::Method;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::{Child, Command};
use tokio::sync::mpsc;

use crate::backoff;
use crate::call::call;
use crate::readiness;

/// Path on the admin page that begins the drain.
pub const DRAIN: &str = "/drain_listeners?graceful";
/// Deaths in a row after which the agent gives up and ends as Envoy did.
pub const MAX_DEATHS: u32 = 8;
/// A life after which earlier deaths are forgotten.
pub const GOOD_LIFE: Duration = Duration::from_secs(60);
/// How long Envoy may take to end after SIGTERM, before it is killed.
const END: Duration = Duration::from_secs(5);
/// How often open connections are counted.
const COUNT_INTERVAL: Duration = Duration::from_secs(1);

/// How to run it.
#[derive(Clone, Debug)]
pub struct EnvoyConfig {
    /// The program.
    pub program: PathBuf,
    /// What stands before its own command; empty: nothing does.
    pub launcher: Vec<OsString>,
    /// Its bootstrap.
    pub bootstrap: PathBuf,
    /// Its admin page.
    pub admin: SocketAddr,
    /// Worker threads; 0 leaves it to Envoy.
    pub concurrency: usize,
    /// `--drain-time-s`.
    pub drain_time: Duration,
    /// Time between the order to end and the end.
    pub termination_drain: Duration,
    /// End when the last connection has ended, if `termination_drain` is over by then; wait for it however
    /// long it takes. Istio's `EXIT_ON_ZERO_ACTIVE_CONNECTIONS`.
    pub until_idle: bool,
    /// Envoy's log level.
    pub log_level: &'static str,
}

/// Why Envoy does not run.
#[derive(Debug, thiserror::Error)]
pub enum EnvoyError {
    /// It cannot be started.
    #[error("cannot start Envoy {}: {source}; name the program with --envoy", program.display())]
    Start {
        /// The program.
        program: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Its end cannot be seen.
    #[error("cannot wait for Envoy: {0}")]
    Wait(std::io::Error),
}

/// Envoy's level for a log filter of ours, which may name parts (`weft_agent=debug,info`).
#[must_use]
pub fn log_level(filter: &str) -> &'static str {
    match filter.split(',').map(str::trim).find(|part| !part.contains('=')) {
        Some("trace") => "trace",
        Some("debug") => "debug",
        Some("info") => "info",
        Some("error") => "error",
        Some("off") => "off",
        _ => "warning",
    }
}

/// Orders to end: the first begins the drain, the second ends at once.
#[derive(Debug)]
pub struct Orders {
    giver: mpsc::Sender<()>,
    taker: mpsc::Receiver<()>,
}

impl Orders {
    /// No order yet.
    #[must_use]
    pub fn new() -> Self {
        let (giver, taker) = mpsc::channel(2);
        Self { giver, taker }
    }

    /// Gives orders; one that finds no room comes after two others and may be dropped.
    #[must_use]
    pub fn giver(&self) -> mpsc::Sender<()> {
        self.giver.clone()
    }

    async fn next(&mut self) {
        // We hold a giver ourselves, so that there is always something to wait for.
        let _ = self.taker.recv().await;
    }
}

impl Default for Orders {
    fn default() -> Self {
        Self::new()
    }
}

/// Runs Envoy until it ends in order by itself, dies too often, or is ordered to end; then drains it.
/// `draining` is called when the drain begins; `dice` gives jitter.
///
/// Returns Envoy's end.
///
/// # Errors
/// It cannot be started.
pub async fn supervise(
    config: &EnvoyConfig,
    orders: &mut Orders,
    draining: impl Fn(),
    mut dice: impl FnMut() -> f64,
) -> Result<ExitStatus, EnvoyError> {
    let mut deaths = 0;
    loop {
        let begun = Instant::now();
        let mut child = start(config)?;
        tracing::info!(pid = child.id(), "Envoy started");
        let ended = tokio::select! {
            ended = child.wait() => ended.map_err(EnvoyError::Wait)?,
            () = orders.next() => {
                draining();
                return tokio::select! {
                    ended = drain(config, &mut child) => ended,
                    () = orders.next() => end(&mut child).await,
                };
            }
        };
        if ended.success() {
            return Ok(ended);
        }
        deaths = if begun.elapsed() >= GOOD_LIFE { 1 } else { deaths + 1 };
        if deaths >= MAX_DEATHS {
            tracing::error!(%ended, deaths, "Envoy died too often");
            return Ok(ended);
        }
        let wait = backoff::wait(deaths, dice());
        tracing::error!(%ended, deaths, restart_in = ?wait, "Envoy died");
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = orders.next() => return Ok(ended),
        }
    }
}

/// The exit code that stands for Envoy's end, as a shell tells it.
#[must_use]
pub fn code(ended: ExitStatus) -> u8 {
    let code = ended.code().or_else(|| ended.signal().map(|signal| 128 + signal)).unwrap_or(1);
    u8::try_from(code).unwrap_or(1)
}

fn start(config: &EnvoyConfig) -> Result<Child, EnvoyError> {
    let failed = |source| EnvoyError::Start { program: config.program.clone(), source };
    // A launcher would find out too late that there is no such file.
    if config.program.components().nth(1).is_some() {
        std::fs::metadata(&config.program).map_err(failed)?;
    }
    let mut whole = config.launcher.iter().map(OsString::as_os_str).chain([config.program.as_os_str()]);
    let mut command = Command::new(whole.next().unwrap_or(config.program.as_os_str()));
    command
        .args(whole)
        .arg("-c")
        .arg(&config.bootstrap)
        .args(["--drain-time-s", &config.drain_time.as_secs().to_string()])
        .args(["--drain-strategy", "immediate", "--disable-hot-restart"])
        // Istio's: Envoy's own 10 s make an access log useless to look at.
        .args(["--file-flush-interval-msec", "1000"])
        .args(["-l", config.log_level])
        // A signal of the terminal is the agent's business: Envoy would end at once.
        .process_group(0)
        .kill_on_drop(true);
    if config.concurrency > 0 {
        command.args(["--concurrency", &config.concurrency.to_string()]);
    }
    command.spawn().map_err(failed)
}

/// Lets connections end: Envoy tells its clients, we wait, then it ends. Source: SD-19.
async fn drain(config: &EnvoyConfig, child: &mut Child) -> Result<ExitStatus, EnvoyError> {
    tracing::info!(wait = ?config.termination_drain, "draining Envoy");
    if let Err(error) = call(Method::POST, config.admin, DRAIN).await {
        tracing::warn!(%error, "Envoy does not drain");
    }
    let waiting = async {
        tokio::time::sleep(config.termination_drain).await;
        while config.until_idle && connections(config.admin).await > 0 {
            tokio::time::sleep(COUNT_INTERVAL).await;
        }
    };
    tokio::select! {
        ended = child.wait() => ended.map_err(EnvoyError::Wait),
        () = waiting => end(child).await,
    }
}

async fn connections(admin: SocketAddr) -> u64 {
    let text = call(Method::GET, admin, "/stats?usedonly&filter=downstream_cx_active$").await;
    // An Envoy that does not answer has nobody to wait for.
    text.map_or(0, |text| readiness::open_connections(&String::from_utf8_lossy(&text)))
}

async fn end(child: &mut Child) -> Result<ExitStatus, EnvoyError> {
    if let Some(pid) = child.id().and_then(|pid| i32::try_from(pid).ok()) {
        // It may have ended this moment.
        let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
    }
    if let Ok(ended) = tokio::time::timeout(END, child.wait()).await {
        return ended.map_err(EnvoyError::Wait);
    }
    tracing::warn!("Envoy does not end: it is killed");
    child.kill().await.map_err(EnvoyError::Wait)?;
    child.wait().await.map_err(EnvoyError::Wait)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_and_codes_are_translated() {
        assert_eq!(log_level("weft_agent=debug,info"), "info");
        assert_eq!(log_level("warn"), "warning");
        assert_eq!(log_level("weft_agent=debug"), "warning");
        assert_eq!(code(ExitStatus::from_raw(3 << 8)), 3);
        assert_eq!(code(ExitStatus::from_raw(9)), 137);
    }
}
