//! What is expected, in a file of the repository.

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

const FILE: &str = "results/instructions.json";
/// What a count may differ from what is kept, in parts of a thousand; what is read from sockets at once
/// varies from run to run.
const TOLERANCE: u64 = 40;

/// The file.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Kept {
    /// How the counts came about.
    about: String,
    /// Parts of a thousand.
    tolerance: u64,
    /// Instructions of one request, by path.
    paths: BTreeMap<String, u64>,
}

/// How a count stands to what is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    New,
    Same,
    Better,
    Worse,
}

impl Kept {
    /// Reads the file; nothing is kept where there is none.
    pub(super) fn read() -> Result<Self> {
        match std::fs::read_to_string(FILE) {
            Ok(text) => serde_json::from_str(&text).context(FILE),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error).context(FILE),
        }
    }

    pub(super) fn write(&mut self) -> Result<()> {
        "callgrind, profile `profiling`, one worker; cargo xtask bench instructions --update"
            .clone_into(&mut self.about);
        self.tolerance = TOLERANCE;
        std::fs::write(FILE, serde_json::to_string_pretty(self)? + "\n").context(FILE)
    }

    pub(super) fn set(&mut self, path: &str, counted: u64) {
        self.paths.insert(path.to_owned(), counted);
    }

    pub(super) fn judge(&self, path: &str, counted: u64) -> Verdict {
        let Some(kept) = self.paths.get(path).copied() else { return Verdict::New };
        let room = kept * TOLERANCE / 1000;
        match counted {
            _ if counted > kept + room => Verdict::Worse,
            _ if counted + room < kept => Verdict::Better,
            _ => Verdict::Same,
        }
    }

    /// A line of the table.
    pub(super) fn line(&self, path: &str, counted: u64, verdict: Verdict) -> String {
        let kept = self.paths.get(path).copied();
        #[allow(clippy::cast_precision_loss, reason = "for show")]
        let change = kept.map(|kept| (counted as f64 / kept as f64 - 1.0) * 100.0);
        let change = change.map(|change| format!("{change:+.1} %")).unwrap_or_default();
        let kept = kept.map(|kept| kept.to_string()).unwrap_or_default();
        let told = match verdict {
            Verdict::New => "not kept yet",
            Verdict::Same => "",
            Verdict::Better => "better: --update keeps it",
            Verdict::Worse => "WORSE",
        };
        format!("{path:18} {kept:>12} {counted:>12} {change:>8}  {told}").trim_end().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_within_the_tolerance_is_the_same() {
        let kept = Kept { paths: BTreeMap::from([("a".to_owned(), 10_000)]), ..Kept::default() };
        assert_eq!(kept.judge("a", 10_400), Verdict::Same);
        assert_eq!(kept.judge("a", 10_401), Verdict::Worse);
        assert_eq!(kept.judge("a", 9_599), Verdict::Better);
        assert_eq!(kept.judge("b", 1), Verdict::New);
        assert!(kept.line("a", 10_500, Verdict::Worse).contains("+5.0 %"));
    }
}
