//! The control plane under a mesh that is simulated: real `weftd`, real streams, proxies that only listen.
//!
//! ```text
//! mesh ─ files ─► weftd on cpu 0 ═══ TLS, delta xDS ═══► proxies on cpu 1 (one task each, 1 % frozen)
//!                   │ /metrics: when a change was taken, what was visited, built and sent
//!                   └──────────────► scenes: a change, and when the last proxy has it ─► figures
//! ```

mod mesh;
mod metrics;
mod proxies;
mod scenes;
mod wire;

use super::ground::Ground;
use super::program::{LOAD_CPU, PROXY_CPU, Program, pin};
use crate::shell::{command, must};
use anyhow::{Context, Result, bail};
use clap::Args;
use mesh::Mesh;
use scenes::Figure;
use serde::Serialize;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};

/// How large the mesh is, and what is done to it.
#[derive(Debug, Clone, Args)]
pub(super) struct Options {
    /// Services, in namespaces of 50.
    #[arg(long, default_value_t = 100)]
    services: usize,
    /// Endpoints of all services together: a pod each.
    #[arg(long, default_value_t = 1_000)]
    endpoints: usize,
    /// Proxies that are connected, the last of which freeze after the first sync.
    #[arg(long, default_value_t = 50)]
    proxies: usize,
    /// Proxies of a hundred that stop reading, after the first sync.
    #[arg(long, default_value_t = 1)]
    frozen_percent: usize,
    /// How often one endpoint and one VirtualService change.
    #[arg(long, default_value_t = 20)]
    times: usize,
    /// Endpoints that a rolling restart replaces, at most.
    #[arg(long, default_value_t = 1_000)]
    restarts: usize,
    /// Another weftd, such as target/release/weftd.
    #[arg(long, value_name = "PATH")]
    weftd: Option<PathBuf>,
    /// Measure the programs that are there.
    #[arg(long)]
    no_build: bool,
    /// Also write all figures to this file.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// What was measured.
#[derive(Debug, Serialize)]
struct Figures {
    services: usize,
    endpoints: usize,
    proxies: usize,
    frozen: usize,
    /// MB resident before any proxy came.
    idle_memory: f64,
    scenes: Vec<Figure>,
    peak_memory: f64,
}

/// Measures, in an optimized build of this program.
pub(super) fn run(options: &Options) -> Result<()> {
    if !options.no_build {
        for package in ["xtask", "weft-control"] {
            println!("building {package}");
            must(command(&["cargo", "build", "--profile", "profiling", "--quiet", "-p", package]))?;
        }
        let words = std::env::args().skip(1).chain(["--no-build".to_owned()]);
        let error = std::process::Command::new("target/profiling/xtask").args(words).exec();
        return Err(error).context("target/profiling/xtask");
    }
    let weftd = std::path::absolute(options.weftd.as_deref().unwrap_or(Path::new("target/profiling/weftd")))?;
    if !weftd.exists() {
        bail!("{} is not there: cargo build --profile profiling -p weft-control", weftd.display());
    }
    let mesh = Mesh::new(options.services.max(1), options.endpoints, options.proxies);
    let ground = Ground::bare()?;
    let figures = measure(options, &mesh, &ground, &weftd);
    let figures = figures?;
    print(&figures);
    if let Some(path) = &options.json {
        std::fs::write(path, serde_json::to_string_pretty(&figures)? + "\n")?;
    }
    Ok(())
}

fn measure(options: &Options, mesh: &Mesh, ground: &Ground, weftd: &Path) -> Result<Figures> {
    let folder = ground.dir.join("mesh");
    std::fs::create_dir_all(&folder)?;
    mesh.write(&folder)?;
    std::fs::write(ground.dir.join("tokens.csv"), mesh.tokens())?;
    let (grpc, http) = (ground.port()?, ground.port()?);
    let path = |name: &str| ground.dir.join(name).display().to_string();
    let words = [
        weftd.display().to_string(),
        format!("--grpc=127.0.0.1:{grpc}"),
        format!("--http=127.0.0.1:{http}"),
        format!("--config-dir={}", folder.display()),
        format!("--state-dir={}", path("state")),
        format!("--token-auth-file={}", path("tokens.csv")),
    ];
    let mut program = Program::start(PROXY_CPU, &words, http, &ground.dir)?;
    pin(LOAD_CPU)?;
    metrics::until_ready(http)?;
    let idle_memory = program.memory_now();
    let frozen = (options.proxies * options.frozen_percent).div_ceil(100).min(options.proxies);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let local = tokio::task::LocalSet::new();
    let roots = ground.dir.join("state/root-cert.pem");
    let scenes = local.block_on(&runtime, async {
        let stage = scenes::Stage { program: &program, http, mesh, folder: &folder, frozen };
        scenes::play(&stage, grpc, &roots, options.times, options.restarts).await
    })?;
    let peak_memory = program.peak_memory();
    program.end()?;
    let (services, endpoints, proxies) = (mesh.services, mesh.endpoints(), options.proxies);
    Ok(Figures { services, endpoints, proxies, frozen, idle_memory, scenes, peak_memory })
}

fn print(figures: &Figures) {
    let Figures { services, endpoints, proxies, frozen, idle_memory, scenes, peak_memory } = figures;
    println!("{services} services, {endpoints} endpoints, {proxies} proxies of which {frozen} freeze");
    println!("{idle_memory:.0} MB before any proxy came, {peak_memory:.0} MB at most\n");
    println!(
        "{:32} {:>9} {:>11} {:>9} {:>9} {:>9} {:>8} {:>8} {:>8} {:>6}",
        "one change", "cpu ms", "bytes", "p50 ms", "p99 ms", "last ms", "visited", "built", "sent", "MB"
    );
    for scene in scenes {
        let Figure { what, cpu_ms, bytes, p50_ms, p99_ms, last_ms, visited, built, sent, memory, changes: _ } =
            scene;
        println!(
            "{what:32} {cpu_ms:9.1} {bytes:11.0} {p50_ms:9.1} {p99_ms:9.1} {last_ms:9.1} {visited:8.0} \
             {built:8.0} {sent:8.0} {memory:6.0}"
        );
    }
}
