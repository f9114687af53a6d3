//! The codec's fuzz targets (`fuzz/`), built and run on the stable toolchain.
//!
//! cargo-fuzz's flags but the sanitizers are known to stable rustc, and the crate of the targets brings
//! libFuzzer along: so coverage guides the search on any machine that can build the workspace. Safe
//! Rust needs no address sanitizer; debug assertions and overflow checks are on.

use crate::shell::{command, must, output};
use anyhow::{Context, Result, bail};
use clap::Args;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Each feeds one part of the codec; see `fuzz/README.md`.
const TARGETS: [&str; 9] = [
    "http1_server",
    "http1_client",
    "http1_heads",
    "chunked",
    "http2",
    "http2_pair",
    "hpack",
    "proxy_protocol",
    "detect",
];
const MANIFEST: &str = "fuzz/Cargo.toml";
/// Apart from the other builds: all of it is built with coverage.
const BUILD: &str = "target/fuzz";
const FLAGS: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing -Ccodegen-units=1";

/// How to fuzz.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Only this target.
    #[arg(long)]
    target: Option<String>,
    /// Seconds for all targets together.
    #[arg(long, default_value_t = 30)]
    seconds: u64,
    /// The fuzzer's seed.
    #[arg(long, default_value_t = 1)]
    seed: u32,
    /// Goes on from the inputs that the last run found, not from the seeds alone.
    #[arg(long)]
    keep: bool,
}

/// What one target reached.
#[derive(Debug, Default)]
struct Reached {
    runs: u64,
    edges: u64,
    of: u64,
    inputs: u64,
}

/// Checks the targets' sources, builds them and feeds each for its share of the time.
pub(crate) fn run_all(options: &Options) -> Result<bool> {
    let targets: Vec<&str> = match &options.target {
        None => TARGETS.to_vec(),
        Some(name) if TARGETS.contains(&name.as_str()) => vec![name],
        Some(name) => bail!("no target {name}; there are {}", TARGETS.join(", ")),
    };
    must(command(&["cargo", "fmt", "--manifest-path", MANIFEST, "--check"]))?;
    let programs = build()?;
    let share = (options.seconds / targets.len() as u64).max(1);
    let mut failed = 0;
    println!("{:16} {:>10} {:>8} {:>16} {:>7}  result", "target", "runs", "runs/s", "edges", "inputs");
    for target in &targets {
        let folder = PathBuf::from(format!("{BUILD}/corpus/{target}"));
        if !options.keep && folder.exists() {
            std::fs::remove_dir_all(&folder)?;
        }
        std::fs::create_dir_all(&folder)?;
        let mut feed = Command::new(programs.join(target));
        feed.args([
            "-print_final_stats=1",
            "-timeout=20",
            "-rss_limit_mb=1024",
            "-max_len=20000",
            "-use_value_profile=1",
        ])
        .arg(format!("-seed={}", options.seed))
        .arg(format!("-max_total_time={share}"))
        .arg(format!("-artifact_prefix={BUILD}/{target}-"))
        .arg(&folder)
        .args(kept(target))
        .env("WEFT_SEEDS", &folder)
        .stdout(Stdio::null());
        let out = feed.output().with_context(|| format!("starting {target}"))?;
        let said = String::from_utf8_lossy(&out.stderr);
        let reached = read(&said);
        let good = out.status.success() && reached.runs > 0;
        failed += u64::from(!good);
        println!(
            "{target:16} {:10} {:8} {:>16} {:7}  {}",
            reached.runs,
            reached.runs / share,
            format!("{} of {}", reached.edges, reached.of),
            reached.inputs,
            if good { "ok" } else { "FAILED" }
        );
        if !good {
            let tail: Vec<&str> = said.lines().rev().take(60).collect();
            eprintln!("{}", tail.into_iter().rev().collect::<Vec<_>>().join("\n"));
        }
    }
    println!("fuzz: {} passed, {failed} failed", targets.len() as u64 - failed);
    Ok(failed == 0)
}

/// Inputs that once showed a fault are tried again each time.
fn kept(target: &str) -> Option<String> {
    let folder = format!("fuzz/corpus/{target}");
    std::path::Path::new(&folder).is_dir().then_some(folder)
}

/// Builds the targets; the folder of the programs.
fn build() -> Result<PathBuf> {
    let rustc = output(&["rustc", "-vV"])?;
    let host =
        rustc.lines().find_map(|line| line.strip_prefix("host: ")).context("rustc -vV tells no host")?;
    // Naming the machine keeps the flags away from build scripts.
    let mut build =
        command(&["cargo", "build", "--release", "--quiet", "--bins", "--manifest-path", MANIFEST]);
    build.args(["--target-dir", BUILD, "--target", host]).env("RUSTFLAGS", FLAGS);
    must(build)?;
    Ok(PathBuf::from(format!("{BUILD}/{host}/release")))
}

/// Reads libFuzzer's report.
fn read(said: &str) -> Reached {
    let after = |line: &str, word: &str| -> Option<u64> {
        line.split(word).nth(1)?.trim_start_matches(['(', ' ']).split([' ', '/']).next()?.parse().ok()
    };
    let mut reached = Reached::default();
    for line in said.lines() {
        if line.contains("inline 8-bit counters):") {
            reached.of = after(line, "modules").or_else(|| after(line, "module")).unwrap_or(0);
        }
        if line.starts_with('#') {
            reached.edges = after(line, "cov: ").unwrap_or(reached.edges);
            reached.inputs = after(line, "corp: ").unwrap_or(reached.inputs);
        }
        if let Some(runs) = line.strip_prefix("stat::number_of_executed_units: ") {
            reached.runs = runs.trim().parse().unwrap_or(0);
        }
    }
    reached
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_is_read() {
        let said = "INFO: Loaded 1 modules   (1234 inline 8-bit counters): 1234 [0x5, 0x6), \n\
                    #2\tINITED cov: 10 ft: 11 corp: 1/1b\n#99\tDONE   cov: 210 ft: 311 corp: 57/1Kb lim: 4 exec/s: 99\n\
                    stat::number_of_executed_units: 99\n";
        let reached = read(said);
        assert_eq!((reached.runs, reached.edges, reached.of, reached.inputs), (99, 210, 1234, 57));
    }
}
