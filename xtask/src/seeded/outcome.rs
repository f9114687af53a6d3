//! What became of the bugs, for people and for `results/`.

use super::bugs::Bug;
use super::rows::Verdicts;
use super::tree::Tree;
use crate::shell::output;
use anyhow::Result;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

/// Whether a bug was noticed.
#[derive(Debug, Serialize)]
#[serde(tag = "found", content = "by", rename_all = "snake_case")]
pub(super) enum Found {
    /// By these rows.
    Caught(Vec<String>),
    /// By none: a hole in the table.
    Missed,
    /// What the compiler notices is no test of the oracle.
    DoesNotBuild,
}

/// What became of one bug.
#[derive(Debug, Serialize)]
pub(super) struct Outcome {
    name: String,
    fault: String,
    file: String,
    #[serde(flatten)]
    found: Found,
    build_seconds: f64,
    seconds: f64,
}

impl Outcome {
    pub(super) fn new(bug: &Bug, found: Found, build: Duration, whole: Duration) -> Self {
        Self {
            name: bug.name.clone(),
            fault: bug.fault.clone(),
            file: bug.file.clone(),
            found,
            build_seconds: tenths(build),
            seconds: tenths(whole),
        }
    }

    /// The bug in one line.
    pub(super) fn line(&self) -> String {
        let (word, by) = match &self.found {
            Found::Caught(rows) => match rows.as_slice() {
                [row] => ("caught", format!(" by {row:?}")),
                [row, others @ ..] => ("caught", format!(" by {row:?} and {} more", others.len())),
                [] => ("caught", String::new()),
            },
            Found::Missed => ("MISSED", String::new()),
            Found::DoesNotBuild => ("DOES NOT BUILD", String::new()),
        };
        format!("{word}  {} ({}){by}, {:.0} s", self.name, self.file, self.seconds)
    }

    fn is_caught(&self) -> bool {
        matches!(self.found, Found::Caught(_))
    }
}

/// A whole run.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    command: &'static str,
    date: String,
    commit: String,
    /// Rows that were played without a bug.
    rows: usize,
    /// Those of them that disagreed.
    disagreeing: BTreeSet<String>,
    pub(super) bugs: Vec<Outcome>,
}

impl Report {
    pub(super) fn new(tree: &Tree, without: &BTreeMap<String, Verdicts>) -> Result<Self> {
        let rows: BTreeSet<&String> = without.values().flat_map(Verdicts::rows).collect();
        Ok(Self {
            command: "cargo xtask suite seeded-bugs",
            date: output(&["date", "-u", "+%Y-%m-%dT%H:%M:%SZ"])?,
            commit: tree.commit().to_owned(),
            rows: rows.len(),
            disagreeing: without.values().flat_map(Verdicts::disagreeing).collect(),
            bugs: Vec::new(),
        })
    }

    fn caught(&self) -> usize {
        self.bugs.iter().filter(|outcome| outcome.is_caught()).count()
    }

    /// Whether every bug was caught, by rows that all agree without it.
    pub(super) fn good(&self) -> bool {
        self.caught() == self.bugs.len() && self.disagreeing.is_empty()
    }

    /// The run in one line, with counts as CI reads them.
    pub(super) fn summary(&self) -> String {
        let failed = self.bugs.len() - self.caught() + self.disagreeing.len();
        format!(
            "{} rows without bugs, {} disagree\nseeded: {} passed, {failed} failed",
            self.rows,
            self.disagreeing.len(),
            self.caught()
        )
    }

    /// Writes it as JSON.
    pub(super) fn keep(&self, path: &Path) -> Result<()> {
        std::fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
        Ok(std::fs::write(path, serde_json::to_vec_pretty(self)?)?)
    }
}

fn tenths(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(found: Vec<Found>, disagreeing: &[&str]) -> Report {
        let outcome = |found| Outcome {
            name: "a bug".into(),
            fault: "a fault".into(),
            file: "a file".into(),
            found,
            build_seconds: 1.0,
            seconds: 2.0,
        };
        Report {
            command: "",
            date: String::new(),
            commit: String::new(),
            rows: 1,
            disagreeing: disagreeing.iter().map(|row| (*row).to_owned()).collect(),
            bugs: found.into_iter().map(outcome).collect(),
        }
    }

    fn caught() -> Found {
        Found::Caught(vec!["world: row".into()])
    }

    #[test]
    fn a_run_is_good_only_when_all_is_caught_by_rows_that_agree() {
        assert!(report(vec![caught()], &[]).good());
        for (found, disagreeing) in [
            (vec![caught(), Found::Missed], &[][..]),
            (vec![caught(), Found::DoesNotBuild], &[]),
            (vec![caught()], &["world: other row"]),
        ] {
            let report = report(found, disagreeing);
            assert!(!report.good());
            assert!(report.summary().ends_with("seeded: 1 passed, 1 failed"), "{}", report.summary());
        }
    }
}
