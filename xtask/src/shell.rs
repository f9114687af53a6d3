//! Running other programs.

use anyhow::{Context, Result, bail};
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

/// The repository's root.
pub(crate) fn root() -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.parent().map_or(here.clone(), PathBuf::from)
}

/// A command from words.
pub(crate) fn command(words: &[&str]) -> Command {
    let mut command = Command::new(words[0]);
    command.args(&words[1..]);
    command
}

/// A command that is ended, with all that it started, when it takes longer.
pub(crate) fn bounded(limit: Duration, words: &[&str]) -> Command {
    let mut bounded = command(&["timeout", "--kill-after=10", &limit.as_secs().to_string()]);
    bounded.args(words);
    bounded
}

/// Runs a command; whether it ended well.
pub(crate) fn run(mut command: Command) -> Result<bool> {
    Ok(command.status().with_context(|| format!("starting {command:?}"))?.success())
}

/// Runs a command that must end well.
pub(crate) fn must(command: Command) -> Result<()> {
    let shown = format!("{command:?}");
    if run(command)? { Ok(()) } else { bail!("{shown} failed") }
}

/// Runs a command, shows its standard output as it comes and gives each line to `see`.
pub(crate) fn watch(mut command: Command, mut see: impl FnMut(&str)) -> Result<bool> {
    let mut child =
        command.stdout(Stdio::piped()).spawn().with_context(|| format!("starting {command:?}"))?;
    if let Some(out) = child.stdout.take() {
        for line in BufReader::new(out).lines() {
            let line = line?;
            println!("{line}");
            see(&line);
        }
    }
    Ok(child.wait()?.success())
}

/// What a command prints on standard output, trimmed.
pub(crate) fn output(words: &[&str]) -> Result<String> {
    let out = command(words).output().with_context(|| format!("starting {words:?}"))?;
    Ok(String::from_utf8_lossy(&out.stdout).trim().to_owned())
}
