//! What the user sees while a mesh runs: a live table, plain lines, or JSON.

mod table;

use std::io::{self, IsTerminal as _, Write as _};
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde::Serialize;

use crate::figures::Row;
use crate::load::Outcome;

use table::Paint;

/// One look at the mesh.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Report {
    /// `interval`: the last seconds. `summary`: from beginning to end.
    #[serde(rename = "type")]
    pub(crate) kind: Kind,
    /// Seconds since the mesh was ready.
    pub(crate) seconds: f64,
    /// Where the product page is, or the ingress.
    pub(crate) ingress: String,
    /// The user's folder.
    pub(crate) dir: String,
    /// The load from outside, counted from its beginning; `None` without one.
    pub(crate) load: Option<Outcome>,
    /// A line for each version of a service.
    pub(crate) services: Vec<Row>,
}

/// Which time a report speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// The last seconds.
    Interval,
    /// All of it.
    Summary,
}

/// Where and how reports are shown.
#[derive(Debug)]
pub(crate) struct View {
    form: Form,
    paint: Paint,
    /// Lines of the table that stands at the end of the terminal.
    standing: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Live,
    Plain,
    Json,
}

impl View {
    /// JSON when asked for; a live table on a terminal; else plain lines.
    #[must_use]
    pub(crate) fn new(json: bool) -> Self {
        let terminal = io::stdout().is_terminal();
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let form = match (json, terminal && !dumb) {
            (true, _) => Form::Json,
            (false, true) => Form::Live,
            (false, false) => Form::Plain,
        };
        // https://no-color.org: any value but the empty one.
        let colours = form == Form::Live && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self { form, paint: Paint::new(colours), standing: 0 }
    }

    /// How often to report when the user does not say.
    #[must_use]
    pub(crate) fn pace(&self) -> Duration {
        Duration::from_secs(if self.form == Form::Plain { 5 } else { 1 })
    }

    /// Shows a report.
    ///
    /// # Errors
    /// If nobody reads any more.
    pub(crate) fn show(&mut self, report: &Report) -> Result<()> {
        let text = match self.form {
            Form::Json => serde_json::to_string(report).unwrap_or_default() + "\n",
            Form::Plain if report.kind == Kind::Interval => table::lines(report),
            Form::Plain => table::table(report, self.paint),
            Form::Live => {
                let table = table::table(report, self.paint);
                // Without line wrap meanwhile: a long path must not make two lines of one.
                let text = format!("{}\x1b[?7l{table}\x1b[?7h", self.erase());
                self.standing = table.lines().count();
                text
            }
        };
        let mut out = io::stdout();
        out.write_all(text.as_bytes()).and_then(|()| out.flush()).context("cannot write to standard output")
    }

    /// Tells something beside the reports: above the table, or on standard error.
    pub(crate) fn tell(&mut self, text: &str) {
        if self.form == Form::Live {
            let text = format!("{}{text}\n", self.erase());
            self.standing = 0;
            write(&mut io::stdout(), &text);
        } else {
            write(&mut io::stderr(), &format!("{text}\n"));
        }
    }

    /// Goes back over the standing table and clears from there to the end.
    fn erase(&self) -> String {
        match self.standing {
            0 => String::new(),
            lines => format!("\x1b[{lines}A\r\x1b[J"),
        }
    }
}

/// A closed output is no reason to leave the mesh without its end.
fn write(out: &mut impl io::Write, text: &str) {
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Tells something before there is a view.
pub(crate) fn note(text: &str) {
    write(&mut io::stderr(), &format!("{text}\n"));
}
