//! What all cases stand on: a folder, free ports, the programs.

use super::program::pin;
use super::program::{LOAD_CPU, address};
use crate::shell::{command, must, output};
use crate::tools;
use anyhow::{Context, Result, bail};
use std::cell::Cell;
use std::net::TcpListener;
use std::path::{Path, PathBuf};

/// Below the ports that the kernel hands out: a client that polls one of those can meet itself.
const PORTS: std::ops::Range<u16> = 20_000..30_000;

/// Which build of this program generates load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Own {
    /// An optimized one, built first.
    Built,
    /// An optimized one that is there.
    There,
    /// The one that runs: where time does not count. The proxy is built.
    ThisOne,
}

/// Folder, ports and programs of one run.
#[derive(Debug)]
pub(super) struct Ground {
    /// Configuration, logs and certificates; removed at the end.
    pub(super) dir: PathBuf,
    /// The `weft-proxy` that is measured.
    pub(super) weft: String,
    /// This program, optimized: relay, load generators, backends.
    pub(super) own: String,
    /// Real Envoy.
    pub(super) envoy: String,
    next: Cell<u16>,
}

impl Ground {
    /// Makes the folder, builds what is to be built and goes to the cpu of load generators.
    ///
    /// # Errors
    /// When a program is missing or does not build.
    pub(super) fn prepare(weft: Option<&Path>, own: Own) -> Result<Self> {
        if own != Own::ThisOne {
            tools::install_peers()?;
        }
        let build = |profile: &str, package: &str| {
            println!("building {package}");
            must(command(&["cargo", "build", "--profile", profile, "--quiet", "-p", package]))
        };
        // Instructions are counted without the release's long link: it takes CI minutes.
        let profile = if own == Own::ThisOne { "profiling" } else { "dist" };
        if own == Own::Built {
            build("profiling", "xtask")?;
        }
        if own != Own::There && weft.is_none() {
            build(profile, "weft-proxy")?;
        }
        let usual = format!("target/{profile}/weft-proxy");
        let weft = std::path::absolute(weft.unwrap_or(Path::new(&usual)))?;
        let own = match own {
            Own::ThisOne => std::env::current_exe()?,
            Own::Built | Own::There => std::path::absolute("target/profiling/xtask")?,
        };
        for (program, how) in [
            (&weft, "cargo build --profile dist -p weft-proxy, or name another with --weft"),
            (&own, "cargo build --profile profiling -p xtask"),
        ] {
            if !program.exists() {
                bail!("{} is not there: {how}", program.display());
            }
        }
        let text = |path: PathBuf| path.display().to_string();
        let mut ground = Self::bare()?;
        (ground.weft, ground.own, ground.envoy) = (text(weft), text(own), tools::envoy());
        Ok(ground)
    }

    /// A folder and ports, without programs.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub(super) fn bare() -> Result<Self> {
        let dir = std::path::absolute(format!("target/bench/{}", std::process::id()))?;
        std::fs::create_dir_all(&dir)?;
        pin(LOAD_CPU)?;
        go_first();
        // Runs side by side begin at different ports.
        let offset = u16::try_from(std::process::id() * 61 % 9_000)?;
        let none = String::new;
        Ok(Self { dir, weft: none(), own: none(), envoy: none(), next: Cell::new(PORTS.start + offset) })
    }

    /// A port that nobody listens on, and that no other call gave.
    ///
    /// # Errors
    /// When none is left.
    pub(super) fn port(&self) -> Result<u16> {
        for _ in PORTS {
            let port = self.next.get();
            self.next.set(if port + 1 < PORTS.end { port + 1 } else { PORTS.start });
            if TcpListener::bind(address(port)).is_ok() {
                return Ok(port);
            }
        }
        bail!("no free port in {PORTS:?}")
    }

    /// Writes a file of the folder and tells its path.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn write(&self, name: &str, text: &str) -> Result<String> {
        let path = self.dir.join(name);
        std::fs::write(&path, text).with_context(|| path.display().to_string())?;
        Ok(path.display().to_string())
    }

    /// The path of a file of the folder.
    pub(super) fn path(&self, name: &str) -> String {
        self.dir.join(name).display().to_string()
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        // Its logs are of use when something failed.
        if !std::thread::panicking() && std::env::var_os("WEFT_BENCH_KEEP").is_none() {
            let _ = std::fs::remove_dir_all(&self.dir);
        }
    }
}

/// Lets what is measured, and what loads it, go before whatever else the machine does: a proxy that is
/// interrupted all the time finds its caches cold. Without the right to do so, all are equal.
fn go_first() {
    let own = std::process::id().to_string();
    let _ = output(&["renice", "-n", "-15", "-p", &own]);
}

/// What the machine is, for the head of a table.
pub(super) fn machine() -> String {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name\t: ")).unwrap_or("unknown cpu");
    let kernel = output(&["uname", "-r"]).unwrap_or_default();
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or_default();
    format!("{model}, Linux {kernel}, load {load} at the start")
}
