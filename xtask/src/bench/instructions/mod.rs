//! Instructions of one request on each path, counted by callgrind: a regression shows without noise.
//! Each path runs twice, with N and with 2N requests; the difference is free of start and end.

mod drive;
mod kept;

use super::backend::Backend;
use super::bootstrap::{self, Flavor};
use super::ground::{Ground, Own};
use super::program::{PROXY_CPU, Program};
use super::spec::{Between, Carries, Hops, Spec};
use anyhow::{Context, Result, bail};
use clap::Args;
use drive::Drive;
use kept::{Kept, Verdict};
use std::path::PathBuf;

/// Runs with each number of requests.
const RUNS: usize = 2;

#[derive(Debug, Args)]
pub(super) struct Options {
    /// Only these paths.
    #[arg(long, value_delimiter = ',')]
    path: Vec<String>,
    /// Keep what is counted as what is expected from now on.
    #[arg(long)]
    update: bool,
    /// Another weft-proxy than target/profiling/weft-proxy, which is built.
    #[arg(long, value_name = "FILE")]
    weft: Option<PathBuf>,
}

/// One path through the proxy.
struct Path {
    name: &'static str,
    spec: Spec,
    backend: Backend,
    drive: Drive,
    requests: u64,
}

const HTTP1: Spec = Spec::hop(Carries::Http1);
const TLS: Spec = Spec { tls: true, ..HTTP1 };

const PATHS: [Path; 9] = [
    path("http1", HTTP1, Backend::Upload, Drive::Http1 { new: false }, 200),
    path("http1-istio", HTTP1.with_istio(), Backend::Upload, Drive::Http1 { new: false }, 200),
    path("http1-new", HTTP1, Backend::Upload, Drive::Http1 { new: true }, 100),
    path("http2", Spec::hop(Carries::Http2), Backend::Grpc, Drive::Http2, 200),
    path("tcp", Spec::hop(Carries::Tcp), Backend::Upload, Drive::Http1 { new: false }, 200),
    path("tcp-new", Spec::hop(Carries::Tcp), Backend::Upload, Drive::Http1 { new: true }, 100),
    path("tls-full", TLS, Backend::None, Drive::Handshake { resumed: false }, 20),
    path("tls-resumed", TLS, Backend::None, Drive::Handshake { resumed: true }, 20),
    path(
        "two-http2-istio",
        Spec::pair(Between::Http2).with_istio(),
        Backend::Upload,
        Drive::Http1 { new: false },
        200,
    ),
];

const fn path(name: &'static str, spec: Spec, backend: Backend, drive: Drive, requests: u64) -> Path {
    Path { name, spec, backend, drive, requests }
}

/// Counts all paths and holds them against what is kept; false when one got worse.
///
/// # Errors
/// When a path does not run.
pub(super) fn run(options: &Options) -> Result<bool> {
    for name in &options.path {
        if PATHS.iter().all(|path| path.name != name) {
            let known = PATHS.map(|path| path.name).join(", ");
            bail!("no path `{name}`; there are {known}");
        }
    }
    let ground = Ground::prepare(options.weft.as_deref(), Own::ThisOne)?;
    let mut kept = Kept::read()?;
    let (mut passed, mut failed) = (0, 0);
    println!("{:18} {:>12} {:>12} {:>8}", "path", "kept", "counted", "change");
    for path in PATHS.iter().filter(|p| options.path.is_empty() || options.path.iter().any(|n| n == p.name)) {
        let counted = least(&ground, path).with_context(|| path.name)?;
        let verdict = kept.judge(path.name, counted);
        println!("{}", kept.line(path.name, counted, verdict));
        *(if verdict == Verdict::Worse { &mut failed } else { &mut passed }) += 1;
        if options.update {
            kept.set(path.name, counted);
        }
    }
    if options.update {
        kept.write()?;
        return Ok(true);
    }
    if failed > 0 {
        println!(
            "a path costs more instructions than what is kept; where it is worth it, `--update` keeps the new count"
        );
    }
    println!("instructions: {passed} passed, {failed} failed");
    Ok(failed == 0)
}

/// The least of each, for what comes beside requests only adds.
fn least(ground: &Ground, path: &Path) -> Result<u64> {
    let of = |requests| {
        let counts = (0..RUNS).map(|_| total(ground, path, requests)).collect::<Result<Vec<u64>>>()?;
        counts.into_iter().min().context("no run")
    };
    Ok(of(2 * path.requests)?.saturating_sub(of(path.requests)?) / path.requests)
}

/// Instructions of all proxies of a path, from start to end, with this many requests.
fn total(ground: &Ground, path: &Path, requests: u64) -> Result<u64> {
    let upstream = path.backend.start(ground)?;
    let mut programs = Vec::new();
    let mut port = 0;
    for hop in bootstrap::hops(ground, &path.spec, Flavor::Weft, upstream.port(path.spec.carries))? {
        let out = ground.path(&format!("callgrind-{}", hop.port));
        let out_option = format!("--callgrind-out-file={out}");
        let words = [
            "valgrind",
            "--tool=callgrind",
            "--quiet",
            &out_option,
            &ground.weft,
            "--config",
            &hop.file,
            "--concurrency",
            "1",
            "--drain-time-s",
            "0",
        ];
        programs.push((Program::start(PROXY_CPU, &words, hop.port, &ground.dir)?, out));
        port = hop.port;
    }
    path.drive.run(ground, port, requests)?;
    let mut sum = 0;
    // The outer hop first, so that the inner one loses its clients and not the other way round.
    for (mut program, out) in programs.into_iter().rev() {
        program.end()?;
        sum += instructions(&std::fs::read_to_string(&out).with_context(|| out.clone())?)?;
        let _ = std::fs::remove_file(&out);
    }
    if path.spec.hops == Hops::One && sum == 0 {
        bail!("callgrind counted nothing");
    }
    Ok(sum)
}

/// The total of a callgrind file.
fn instructions(text: &str) -> Result<u64> {
    let line = text
        .lines()
        .rev()
        .find_map(|line| line.strip_prefix("totals:").or_else(|| line.strip_prefix("summary:")));
    line.context("callgrind told no total: did the proxy end well?")?
        .trim()
        .parse()
        .context("callgrind's total")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_are_read() {
        assert_eq!(instructions("events: Ir\nfn=(1)\n1 2\n\ntotals: 123\n").ok(), Some(123));
        assert!(instructions("events: Ir\n").is_err());
    }
}
