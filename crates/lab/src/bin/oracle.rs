//! `cargo xtask oracle`: the call table through real Envoy and `weft-proxy`.
#![allow(clippy::print_stdout, reason = "a command-line program")]

use anyhow::{Context, Result, bail};
use clap::{Parser, ValueEnum};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;
use weft_lab::report::{Report, Verdict};
use weft_lab::runner::{Plan, run};
use weft_lab::subject::{Program, Proxy, Simulator, Subject};
use weft_lab::{bootstrap, differences, table};

/// Runs the call table and compares what the proxies do.
#[derive(Debug, Parser)]
struct Options {
    /// Only rows whose `world: row` contains this.
    #[arg(long, default_value = "")]
    filter: String,
    /// Who is compared with Envoy. `envoy`: nobody, only the rows' expectations are checked.
    #[arg(long, value_enum, default_value = "weft")]
    subject: Who,
    /// Compare Envoy with Envoy.
    #[arg(long)]
    self_check: bool,
    /// Worker counts.
    #[arg(long, value_delimiter = ',', default_value = "1,2")]
    workers: Vec<u32>,
    /// Worlds at the same time.
    #[arg(long, default_value_t = 3)]
    jobs: usize,
    /// Also write the verdicts to this file.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Show only rows that do not agree.
    #[arg(long)]
    quiet: bool,
    /// Print what came out of each row, normalized.
    #[arg(long)]
    show: bool,
    /// Print the bootstrap of the worlds that match, as proxies see it, and stop.
    #[arg(long)]
    print: bool,
    /// Run every selected world so many times, to find what is not certain.
    #[arg(long, default_value_t = 1)]
    repeat: u32,
    /// Envoy's binary.
    #[arg(long, env = "WEFT_ENVOY", default_value = "target/tools/venv/bin/envoy")]
    envoy: PathBuf,
    /// Our binary.
    #[arg(long, env = "WEFT_PROXY", default_value = "target/debug/weft-proxy")]
    weft: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Who {
    Weft,
    Envoy,
    Simulator,
}

fn main() -> Result<ExitCode> {
    let options = Options::parse();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut worlds = table::load(&root.join("table"), &options.filter)?;
    if worlds.is_empty() {
        bail!("no row matches {:?}", options.filter);
    }
    if options.print {
        for world in &worlds {
            println!(
                "# {}\n{}",
                world.name,
                serde_json::to_string_pretty(&bootstrap::expand(&world.bootstrap)?)?
            );
        }
        return Ok(ExitCode::SUCCESS);
    }
    let rows: usize = worlds.iter().map(|world| world.rows.len()).sum();
    worlds = (0..options.repeat).flat_map(|_| worlds.clone()).collect();
    let subject: Option<Arc<dyn Subject>> = match (options.self_check, options.subject) {
        (true, _) => Some(proxy("envoy again", Program::Envoy, &options.envoy)?),
        (false, Who::Weft) => Some(proxy("weft", Program::Weft, &options.weft)?),
        (false, Who::Envoy) => None,
        (false, Who::Simulator) => Some(Arc::new(Simulator)),
    };
    let plan = Plan {
        reference: proxy("envoy", Program::Envoy, &options.envoy)?,
        subject,
        worlds,
        workers: options.workers.clone(),
        jobs: options.jobs,
        show: options.show,
        differences: differences::ids(&root.join("../../docs/differences.md"))?,
        differences_apply: !options.self_check && options.subject == Who::Weft,
    };
    let begun = Instant::now();
    let show = |reports: &[Report]| {
        for report in reports.iter().filter(|report| !options.quiet || is_wrong(&report.verdict)) {
            println!("{}", report.text());
        }
    };
    let reports = run(&plan, &show)?;
    if let Some(path) = &options.json {
        std::fs::write(path, serde_json::to_vec_pretty(&reports)?)
            .with_context(|| path.display().to_string())?;
    }
    Ok(summary(&reports, rows, begun))
}

fn is_wrong(verdict: &Verdict) -> bool {
    !verdict.passed() && !matches!(verdict, Verdict::Skipped(_))
}

fn proxy(name: &str, program: Program, path: &Path) -> Result<Arc<dyn Subject>> {
    if !path.exists() {
        bail!(
            "no {name} at {} (`cargo xtask tools` installs Envoy, `cargo build -p weft-proxy` builds ours)",
            path.display()
        );
    }
    Ok(Arc::new(Proxy { name: name.into(), program, path: weft_lab::process::binary(path) }))
}

fn summary(reports: &[Report], rows: usize, begun: Instant) -> ExitCode {
    let count = |test: fn(&Verdict) -> bool| reports.iter().filter(|report| test(&report.verdict)).count();
    let passed = count(Verdict::passed);
    let allowed = count(|verdict| matches!(verdict, Verdict::Allowed(_)));
    let skipped = count(|verdict| matches!(verdict, Verdict::Skipped(_)));
    let failed = reports.len() - passed - skipped;
    println!(
        "\n{rows} rows, {} runs in {:.0} s: {} differ, {} miss an expectation, {allowed} differ as allowed, {} judged, {skipped} not judged",
        reports.len(),
        begun.elapsed().as_secs_f64(),
        count(|verdict| matches!(verdict, Verdict::Differ(_))),
        count(|verdict| matches!(verdict, Verdict::Fault(_))),
        reports.len() - skipped,
    );
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    for report in reports {
        if let Verdict::Skipped(why) = report.verdict {
            *reasons.entry(why).or_default() += 1;
        }
    }
    for (why, rows) in reasons {
        println!("  {rows:4} not judged: {why}");
    }
    println!("oracle: {passed} passed, {failed} failed");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
