//! Bugs to be sown: small slips that a person could make, each in another part of the proxy.

use anyhow::{Context, Result};
use serde::Deserialize;
use std::path::Path;

/// Where they are listed.
const FILE: &str = "crates/lab/seeded/bugs.yaml";

/// One bug: the text that is replaced, and the rows that must notice.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Bug {
    /// What it is called in results.
    pub(super) name: String,
    /// The fault it stands for, in a line.
    pub(super) fault: String,
    /// The file that it is sown into, from the root.
    pub(super) file: String,
    /// Stands in the file exactly once.
    pub(super) find: String,
    /// Stands there instead once the bug is sown.
    pub(super) put: String,
    /// Rows to be played, each as `--filter` takes them.
    pub(super) rows: Vec<String>,
}

impl Bug {
    /// The file's text with the bug and without, or why there is no place for it.
    pub(super) fn place(&self, root: &Path) -> std::result::Result<(String, String), String> {
        let text = std::fs::read_to_string(root.join(&self.file))
            .map_err(|error| format!("{}: {}: {error}", self.name, self.file))?;
        match text.matches(&self.find).count() {
            1 => Ok((text.replacen(&self.find, &self.put, 1), text)),
            n => Err(format!("{}: {}: {n} times {:?}", self.name, self.file, self.find)),
        }
    }
}

/// All of them, in the order of the file: neighbours share a crate, so that builds are short.
pub(super) fn load() -> Result<Vec<Bug>> {
    let text = std::fs::read_to_string(crate::shell::root().join(FILE)).context(FILE)?;
    serde_saphyr::from_str(&text).context(FILE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_bug_still_has_its_place() {
        let root = crate::shell::root();
        let moved: Vec<String> = load().unwrap().iter().filter_map(|bug| bug.place(&root).err()).collect();
        assert!(moved.is_empty(), "{}", moved.join("\n"));
    }

    #[test]
    fn bugs_are_many_distinct_and_spread() {
        let bugs = load().unwrap();
        let names: BTreeSet<&str> = bugs.iter().map(|bug| bug.name.as_str()).collect();
        assert_eq!(names.len(), bugs.len());
        assert!(bugs.len() >= 24);
        assert!(bugs.iter().all(|bug| bug.find != bug.put && !bug.rows.is_empty() && !bug.fault.is_empty()));
        let crates: BTreeSet<&str> = bugs.iter().filter_map(|bug| bug.file.split('/').nth(1)).collect();
        for name in [
            "balance",
            "codec",
            "filter",
            "http",
            "match",
            "proxy",
            "route",
            "state",
            "tables",
            "telemetry",
            "tls",
        ] {
            assert!(crates.contains(name), "no bug in {name}");
        }
    }
}
