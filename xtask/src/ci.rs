//! Everything that must hold before a change lands, step by step, with the time that each took.

use crate::shell::{command, must, output, run, watch};
use crate::{oracle, tidy, tools};
use anyhow::{Result, bail};
use std::process::Command;
use std::time::{Duration, Instant};

/// Tests and rows that were counted.
#[derive(Debug, Default, Clone, Copy)]
struct Count {
    passed: u64,
    failed: u64,
}

struct Steps {
    done: Vec<(String, bool, Duration)>,
    count: Count,
}

impl Steps {
    /// Runs one step. A step that counts nothing itself counts as one test.
    fn step(&mut self, name: &str, body: impl FnOnce(&mut Count) -> Result<bool>) {
        println!("\n==> {name}");
        let begun = Instant::now();
        let mut count = Count::default();
        let good = body(&mut count).unwrap_or_else(|error| {
            eprintln!("{name}: {error:#}");
            false
        });
        if count.passed + count.failed == 0 {
            count.passed = u64::from(good);
        }
        if !good && count.failed == 0 {
            count.failed = 1;
        }
        self.count.passed += count.passed;
        self.count.failed += count.failed;
        self.done.push((name.to_owned(), good, begun.elapsed()));
    }
}

/// Runs all steps, whichever of them fail.
///
/// # Errors
/// When the lab could not run for want of root.
pub(crate) fn run_all() -> Result<bool> {
    if output(&["id", "-u"])? != "0" {
        bail!(
            "the lab makes network namespaces and needs root; without it nothing is judged, so this is a failure"
        );
    }
    let mut steps = Steps { done: Vec::new(), count: Count::default() };
    steps.step("tools", |_| tools::install().map(|()| true));
    steps.step("format", |_| run(command(&["cargo", "fmt", "--all", "--check"])));
    steps.step("tidy", |_| tidy::run());
    steps.step("clippy", |_| {
        run(command(&["cargo", "clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"]))
    });
    steps.step("documentation", |_| {
        let mut doc = command(&["cargo", "doc", "--workspace", "--no-deps", "--quiet"]);
        doc.env("RUSTDOCFLAGS", "-D warnings");
        run(doc)
    });
    steps.step("build", |_| must(command(&["cargo", "build", "--workspace", "--quiet"])).map(|()| true));
    steps.step("tests", |count| {
        let mut tests = command(&["cargo", "test", "--workspace", "--no-fail-fast"]);
        tests.env("WEFT_ENVOY", tools::envoy());
        counted(tests, count)
    });
    steps.step("dependencies", |_| {
        // Advisories need a database from the network, which is not always there: see deny.toml.
        run(command(&[&tools::cargo_deny(), "check", "licenses", "bans", "sources"]))
    });
    steps.step("oracle: Envoy with itself", |count| {
        counted(oracle::prepare(&["--self-check", "--quiet", "--workers", "1"], None)?, count)
    });
    steps.step("oracle: weft-proxy with Envoy", |count| {
        counted(oracle::prepare(&["--quiet", "--json", "target/oracle.json"], None)?, count)
    });

    steps.step("oracle: simulator with Envoy", |count| {
        let subject = ["--subject", "simulator", "--quiet", "--workers", "1", "--jobs", "6"];
        counted(oracle::prepare(&subject, None)?, count)
    });

    steps.step("h2spec", |count| counted(command(&["cargo", "xtask", "h2spec"]), count));
    steps.step("fuzz", |count| counted(command(&["cargo", "xtask", "fuzz"]), count));
    steps.step("kubernetes", |count| {
        counted(command(&["cargo", "xtask", "cluster", "suite", "--built", "--envoy", "--cni"]), count)
    });
    steps.step("instructions", |count| counted(command(&["cargo", "xtask", "bench", "instructions"]), count));

    println!("\n{:32} {:>8}  result", "step", "seconds");
    for (name, good, took) in &steps.done {
        println!("{name:32} {:8.1}  {}", took.as_secs_f64(), if *good { "ok" } else { "FAILED" });
    }
    let good = steps.done.iter().all(|(_, good, _)| *good);
    println!("\n{} passed, {} failed", steps.count.passed, steps.count.failed);
    Ok(good)
}

/// Runs a test program and adds up its closing lines, `… N passed[;,] N failed …`.
fn counted(command: Command, count: &mut Count) -> Result<bool> {
    watch(command, |line| {
        if let Some(found) = closing_line(line) {
            count.passed += found.passed;
            count.failed += found.failed;
        }
    })
}

fn closing_line(line: &str) -> Option<Count> {
    let starts = ["test result:", "oracle:", "h2spec:", "fuzz:", "instructions:", "kubernetes:", "charts:"];
    if !starts.iter().any(|start| line.starts_with(start)) {
        return None;
    }
    let before = |word: &str| -> Option<u64> {
        let at = line.find(word)?;
        line[..at].split_whitespace().last()?.parse().ok()
    };
    Some(Count { passed: before(" passed")?, failed: before(" failed")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_lines_of_all_runners_are_read() {
        let cargo = closing_line("test result: ok. 12 passed; 3 failed; 0 ignored; 0 measured");
        let oracle = closing_line("oracle: 7 passed, 1 failed");
        let spec = closing_line("h2spec: 7 passed, 1 failed (2 skipped by h2spec)");
        assert_eq!(cargo.map(|count| (count.passed, count.failed)), Some((12, 3)));
        assert_eq!(oracle.map(|count| (count.passed, count.failed)), Some((7, 1)));
        assert_eq!(spec.map(|count| (count.passed, count.failed)), Some((7, 1)));
        let cluster = closing_line("kubernetes: 7 passed, 1 failed");
        assert_eq!(cluster.map(|count| (count.passed, count.failed)), Some((7, 1)));
        assert!(closing_line("nothing: 7 passed").is_none());
    }
}
