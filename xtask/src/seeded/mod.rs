//! Does the oracle notice? Bugs are sown one by one into a copy of the tree, `weft-proxy` is built
//! from it, and a row of the call table must disagree with Envoy that agreed before. A bug that no row
//! notices is a hole in the table, not a reason for a coarser bug.
//!
//! ```text
//! crates/lab/seeded/bugs.yaml ─► copy of HEAD ─► one bug in ─► weft-proxy ─► its rows, twice ─► out
//!                                     └─► no bug: the same rows, which must all agree
//! ```

mod bugs;
mod outcome;
mod rows;
mod tree;

use anyhow::{Result, bail};
use bugs::Bug;
use outcome::{Found, Outcome, Report};
use rows::{Rows, Verdicts};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;
use tree::Tree;

/// Runs all bugs whose name contains `only`; whether each was caught and all rows agreed without them.
/// Only a whole run is kept under `results/`.
pub(crate) fn run_all(only: &str) -> Result<bool> {
    let all = bugs::load()?;
    let chosen: Vec<&Bug> = all.iter().filter(|bug| bug.name.contains(only)).collect();
    if chosen.is_empty() {
        bail!("no bug has {only:?} in its name");
    }
    let tree = Tree::copy()?;
    println!("commit {}: {} bugs", tree.commit(), chosen.len());
    // A text that has moved is told at once, not after half an hour.
    let moved: Vec<String> = chosen.iter().filter_map(|bug| bug.place(tree.root()).err()).collect();
    if !moved.is_empty() {
        bail!("not found exactly once:\n  {}", moved.join("\n  "));
    }
    let rows = Rows::new(&tree)?;
    let without = without_bugs(&chosen, &rows)?;
    let mut report = Report::new(&tree, &without)?;
    for (index, bug) in chosen.iter().enumerate() {
        let outcome = sow(bug, &tree, &rows, &without)?;
        println!("[{:2}/{}] {}", index + 1, chosen.len(), outcome.line());
        report.bugs.push(outcome);
    }
    println!("{}", report.summary());
    if only.is_empty() {
        report.keep(Path::new("results/seeded-bugs.json"))?;
    }
    Ok(report.good())
}

/// What the rows of each filter say while no bug is in. A row that disagrees here can catch nothing.
fn without_bugs(chosen: &[&Bug], rows: &Rows) -> Result<BTreeMap<String, Verdicts>> {
    let mut without = BTreeMap::new();
    for filter in chosen.iter().flat_map(|bug| &bug.rows) {
        if !without.contains_key(filter) {
            let first = rows.play(filter)?;
            // Once more where a busy machine may have been to blame.
            let verdicts = if first.disagreeing().is_empty() { first } else { rows.play(filter)? };
            for row in verdicts.disagreeing() {
                println!("DISAGREES without a bug: {row}");
            }
            without.insert(filter.clone(), verdicts);
        }
    }
    Ok(without)
}

/// Builds the proxy with one bug and plays its rows; the tree is as before afterwards.
fn sow(bug: &Bug, tree: &Tree, rows: &Rows, without: &BTreeMap<String, Verdicts>) -> Result<Outcome> {
    let begun = Instant::now();
    let sown = tree.sow(bug)?;
    let built = tree.build(&["-p", "weft-proxy"])?;
    let build = begun.elapsed();
    let found = if built { judge(bug, rows, without)? } else { Found::DoesNotBuild };
    drop(sown);
    Ok(Outcome::new(bug, found, build, begun.elapsed()))
}

/// The rows that notice: they agree without the bug, and disagree with it whenever they are played.
fn judge(bug: &Bug, rows: &Rows, without: &BTreeMap<String, Verdicts>) -> Result<Found> {
    let mut caught = Vec::new();
    for filter in &bug.rows {
        let Some(before) = without.get(filter) else { continue };
        let noticing = |verdicts: &Verdicts| -> Vec<String> {
            verdicts.disagreeing().into_iter().filter(|row| before.agrees(row)).collect()
        };
        let first = noticing(&rows.play(filter)?);
        if !first.is_empty() {
            let again = noticing(&rows.play(filter)?);
            caught.extend(first.into_iter().filter(|row| again.contains(row)));
        }
    }
    Ok(if caught.is_empty() { Found::Missed } else { Found::Caught(caught) })
}
