//! Named suites: runs too long for every change. What they say is kept under `results/` with the
//! command, the date and the commit.

use crate::shell::{command, output, watch};
use crate::{mesh, oracle, tools};
use anyhow::{Result, bail};
use std::process::Command;

/// Name, what it is for, and how it is run.
type Suite = (&'static str, &'static str, fn() -> Result<Command>);

const SUITES: [Suite; 9] = [
    ("self-check", "the whole call table, Envoy with itself, 1 and 2 workers", || {
        oracle::prepare(&["--self-check", "--quiet"], None)
    }),
    ("oracle", "the whole call table, weft-proxy with Envoy, 1 and 2 workers, five times over", || {
        oracle::prepare(&["--quiet", "--repeat", "5"], None)
    }),
    ("seeded-bugs", "bugs sown into weft-proxy, each of which the call table must notice", || {
        Ok(command(&["cargo", "xtask", "seeded"]))
    }),
    ("lab", "redirection in network namespaces", || {
        let mut tests = command(&["cargo", "test", "-p", "weft-lab", "--test", "netns", "--", "--nocapture"]);
        tests.env("WEFT_ENVOY", tools::envoy());
        Ok(tests)
    }),
    ("mesh-changes", "200 edits, 50 replacements, 20 kills and an outage under load, weft-proxy", || {
        mesh::changes("weft")
    }),
    ("mesh-changes-envoy", "the same with Envoy under our control plane", || mesh::changes("envoy")),
    (
        "kubernetes",
        "a real Kubernetes: charts, sidecars, Bookinfo, 100 restarts and changes under load, Envoy",
        || {
            let mut suite =
                command(&["cargo", "xtask", "cluster", "suite", "--profile", "release", "--envoy", "--cni"]);
            suite.args([
                "--charts",
                "--restarts",
                "100",
                "--changes",
                "100",
                "--rate",
                "300",
                "--jobs",
                "50",
            ]);
            Ok(suite)
        },
    ),
    ("fuzz", "the codec's fuzz targets, ten minutes", || {
        Ok(command(&["cargo", "xtask", "fuzz", "--seconds", "600", "--seed", "0"]))
    }),
    ("bench-proxy", "CPU, latency, memory and start beside Envoy, nginx, haproxy and bare relays", || {
        Ok(command(&["cargo", "xtask", "bench", "proxy", "--json", "results/bench-proxy.json"]))
    }),
];

/// Runs a suite and keeps what it said, or lists them.
pub(crate) fn run(name: Option<&str>) -> Result<bool> {
    let Some(name) = name else {
        for (name, purpose, _) in SUITES {
            println!("{name:20} {purpose}");
        }
        return Ok(true);
    };
    let Some((_, purpose, prepare)) = SUITES.iter().find(|(known, _, _)| *known == name) else {
        bail!("no suite {name}; `cargo xtask suite` lists them");
    };
    let command = prepare()?;
    let words: Vec<String> = std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| word.to_string_lossy().into())
        .collect();
    // Before the run: what others commit while it lasts is not what was run.
    let commit = output(&["git", "describe", "--always", "--dirty"])?;
    let mut lines = Vec::new();
    let good = watch(command, |line| lines.push(line.to_owned()))?;
    keep(name, purpose, &words.join(" "), &commit, &lines, good)?;
    Ok(good)
}

fn keep(name: &str, purpose: &str, command: &str, commit: &str, lines: &[String], good: bool) -> Result<()> {
    let date = output(&["date", "-u", "+%Y-%m-%dT%H:%M:%SZ"])?;
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cpu = cpu.lines().find_map(|line| line.strip_prefix("model name\t: ")).unwrap_or("unknown");
    let result = if good { "ok" } else { "failed" };
    std::fs::create_dir_all("results")?;
    let page = format!(
        "# {name}: {purpose}\n\n- command: `{command}`\n- date: {date}\n- commit: {commit}\n- machine: {cpu}\n- result: {result}\n\n```\n{}\n```\n",
        lines.join("\n")
    );
    std::fs::write(format!("results/{name}.md"), page)?;
    Ok(())
}
