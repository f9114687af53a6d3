//! `docs/differences.md`: where `weft-proxy` may be stricter than Envoy. A row may differ only by
//! naming an entry of it.

use anyhow::{Context, Result};
use std::collections::BTreeSet;
use std::path::Path;

/// The IDs of all entries: second-level headings that begin with `D-`, as in `## D-01 …`.
///
/// # Errors
/// When the file cannot be read.
pub fn ids(path: &Path) -> Result<BTreeSet<String>> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let headings = text.lines().filter_map(|line| line.strip_prefix("## "));
    Ok(headings
        .filter_map(|line| line.split_whitespace().next())
        .filter(|id| id.starts_with("D-"))
        .map(str::to_owned)
        .collect())
}
