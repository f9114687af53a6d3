//! Does the oracle notice? Bugs are sown one by one into a copy of the tree, `weft-proxy` is built
//! from it, and the rows of its part of the table must fail. A bug that none of them notices is a hole
//! in the table.

mod bugs;

use crate::oracle;
use crate::shell::{command, must, run};
use anyhow::{Context, Result, bail};
use bugs::{BUGS, Bug};
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// Runs all bugs that match the filter; whether each was caught.
pub(crate) fn run_all(only: &str) -> Result<bool> {
    // The rows must agree before they can be trusted to disagree for the right reason.
    let tree = std::path::absolute("target/seeded/tree")?;
    let target = std::path::absolute("target/seeded/target")?;
    copy_tree(&tree)?;
    let proxy = build(&tree, &target)?.context("the tree does not build as it is")?;
    let chosen: Vec<&Bug> = BUGS.iter().filter(|bug| bug.name.contains(only)).collect();
    let mut missed = 0;
    for bug in &chosen {
        let before = faults(bug, &proxy)?;
        let after = sown(bug, &tree, &target)?;
        let caught = after > before;
        missed += usize::from(!caught);
        let word = if caught { "caught" } else { "MISSED" };
        println!("{word}  {} ({}: {before} rows disagree, with the bug {after})", bug.name, bug.filter);
    }
    println!("seeded: {} passed, {missed} failed", chosen.len() - missed);
    Ok(missed == 0)
}

/// Copies what is committed or staged, so that sowing touches nothing of the user's.
fn copy_tree(tree: &Path) -> Result<()> {
    std::fs::create_dir_all(tree)?;
    let prefix = format!("--prefix={}/", tree.display());
    must(command(&["git", "checkout-index", "--all", "--force", "--quiet", &prefix]))
}

fn build(tree: &Path, target: &Path) -> Result<Option<PathBuf>> {
    let mut cargo = command(&["cargo", "build", "--quiet", "-p", "weft-proxy"]);
    cargo.current_dir(tree).env("CARGO_TARGET_DIR", target).env("RUSTFLAGS", "-A warnings");
    Ok(run(cargo)?.then(|| target.join("debug/weft-proxy")))
}

/// How many rows disagree once the bug is in; the tree is as before afterwards.
fn sown(bug: &Bug, tree: &Path, target: &Path) -> Result<usize> {
    let file = tree.join(bug.file);
    let text = std::fs::read_to_string(&file)?;
    if text.matches(bug.old).count() != 1 {
        bail!("{}: {:?} does not stand there exactly once", bug.file, bug.old);
    }
    std::fs::write(&file, text.replacen(bug.old, bug.new, 1))?;
    let built = build(tree, target);
    let found = match &built {
        Ok(Some(proxy)) => faults(bug, proxy),
        // A slip that the compiler catches is no test of the oracle.
        Ok(None) => Err(anyhow::anyhow!("{}: does not build", bug.name)),
        Err(error) => Err(anyhow::anyhow!("{error:#}")),
    };
    std::fs::write(&file, text)?;
    found
}

/// Runs the bug's rows; how many disagree.
fn faults(bug: &Bug, proxy: &Path) -> Result<usize> {
    let verdicts = std::path::absolute("target/seeded/verdicts.json")?;
    let mut rows =
        oracle::prepare(&["--quiet", "--workers", "1", "--filter", bug.filter, "--json"], Some(proxy))?;
    rows.arg(&verdicts).stdout(Stdio::null());
    run(rows)?;
    let reports: serde_json::Value = serde_json::from_slice(&std::fs::read(&verdicts)?)?;
    let reports = reports.as_array().context("verdicts are no list")?;
    Ok(reports.iter().filter(|report| report["verdict"] != "agree" && report["verdict"] != "allowed").count())
}

#[cfg(test)]
mod tests {
    use super::bugs::BUGS;

    #[test]
    fn every_bug_still_has_its_place() {
        for bug in &BUGS {
            let text = std::fs::read_to_string(crate::shell::root().join(bug.file)).unwrap_or_default();
            assert_eq!(text.matches(bug.old).count(), 1, "{}: {}", bug.name, bug.file);
            assert_ne!(bug.old, bug.new);
        }
    }

    #[test]
    fn there_are_at_least_twenty() {
        assert!(BUGS.len() >= 20);
    }
}
