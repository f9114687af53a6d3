//! What is told about each row.

use serde::Serialize;

/// The verdict on one row at one worker count.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// World.
    pub world: String,
    /// Row.
    pub row: String,
    /// Place of the row in its world.
    #[serde(skip)]
    pub index: usize,
    /// Worker threads of the proxies.
    pub workers: u32,
    /// The normalized outcomes, where asked for.
    #[serde(skip)]
    pub shown: Option<String>,
    /// Verdict.
    #[serde(flatten)]
    pub verdict: Verdict,
}

/// How a row came out.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "verdict", content = "why", rename_all = "snake_case")]
pub enum Verdict {
    /// Both do the same, and what the row expects.
    Agree,
    /// They differ as this entry of `docs/differences.md` allows.
    Allowed(String),
    /// They differ.
    Differ(Vec<String>),
    /// An expectation does not hold.
    Fault(Vec<String>),
    /// The subject cannot judge such a row, for this reason.
    Skipped(&'static str),
}

impl Verdict {
    /// Whether the row counts as passed.
    pub fn passed(&self) -> bool {
        matches!(self, Verdict::Agree | Verdict::Allowed(_))
    }
}

impl Report {
    /// The row in one line, with indented lines for what is wrong.
    pub fn text(&self) -> String {
        let (word, why) = match &self.verdict {
            Verdict::Agree => ("agree", Vec::new()),
            Verdict::Allowed(id) => ("allowed", vec![format!("by {id}")]),
            Verdict::Differ(why) => ("DIFFER", why.clone()),
            Verdict::Fault(why) => ("FAULT", why.clone()),
            Verdict::Skipped(why) => ("skipped", vec![format!("not judged: {why}")]),
        };
        let mut text = format!("{word:7} [{}] {}: {}", self.workers, self.world, self.row);
        for line in why {
            let shown: String = line.chars().take(400).collect();
            text.push_str(&format!("\n          {shown}"));
        }
        if let Some(shown) = &self.shown {
            text.push('\n');
            text.push_str(shown);
        }
        text
    }
}
