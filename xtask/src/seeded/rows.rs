//! Playing rows of the call table, as the copied commit holds them.

use super::tree::Tree;
use crate::shell::bounded;
use crate::tools;
use anyhow::{Context, Result, bail};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

/// For the rows of one filter; a row has a limit of its own in the oracle.
const PLAY: Duration = Duration::from_secs(5 * 60);

/// The oracle of the copied commit, judging the proxy that was last built from it.
#[derive(Debug)]
pub(super) struct Rows {
    oracle: PathBuf,
    proxy: PathBuf,
    verdicts: PathBuf,
}

impl Rows {
    /// Builds the oracle, and the proxy without a bug.
    pub(super) fn new(tree: &Tree) -> Result<Self> {
        if !Path::new(&tools::envoy()).exists() {
            tools::install()?;
        }
        println!("building");
        if !tree.build(&["-p", "weft-proxy", "-p", "weft-lab"])? {
            bail!("the tree does not build as it is: see target/seeded/build.log");
        }
        Ok(Self {
            oracle: tree.binary("weft-oracle"),
            proxy: tree.binary("weft-proxy"),
            verdicts: std::path::absolute("target/seeded/verdicts.json")?,
        })
    }

    /// Plays the rows that match the filter, with one worker.
    pub(super) fn play(&self, filter: &str) -> Result<Verdicts> {
        let _ = std::fs::remove_file(&self.verdicts);
        let mut oracle = bounded(PLAY, &[&self.oracle.to_string_lossy()]);
        oracle.args(["--quiet", "--workers", "1", "--filter", filter, "--json"]).arg(&self.verdicts);
        oracle.env("WEFT_ENVOY", tools::envoy()).env("WEFT_PROXY", &self.proxy).stdout(Stdio::null());
        oracle.status().context("starting the oracle")?;
        // It fails when rows disagree, which is what is hoped for; verdicts it always writes.
        let text = std::fs::read(&self.verdicts).with_context(|| format!("no verdicts for {filter:?}"))?;
        let verdicts: Vec<Verdict> = serde_json::from_slice(&text)?;
        let agrees = |verdict: &Verdict| matches!(verdict.verdict.as_str(), "agree" | "allowed");
        Ok(Verdicts(verdicts.iter().map(|v| (format!("{}: {}", v.world, v.row), agrees(v))).collect()))
    }
}

/// What the oracle writes about a row; its reasons are not needed here.
#[derive(Debug, Deserialize)]
struct Verdict {
    world: String,
    row: String,
    verdict: String,
}

/// Rows by `world: row`, and whether they agree.
#[derive(Debug)]
pub(super) struct Verdicts(BTreeMap<String, bool>);

impl Verdicts {
    /// Whether this row was played and agrees.
    pub(super) fn agrees(&self, row: &str) -> bool {
        self.0.get(row) == Some(&true)
    }

    /// The rows that do not agree.
    pub(super) fn disagreeing(&self) -> Vec<String> {
        self.0.iter().filter(|(_, agrees)| !**agrees).map(|(row, _)| row.clone()).collect()
    }

    /// All rows that were played.
    pub(super) fn rows(&self) -> impl Iterator<Item = &String> {
        self.0.keys()
    }
}
