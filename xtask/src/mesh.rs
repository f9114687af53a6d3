//! Changes under load in the lab's mesh: a program of `weft-lab`.

use crate::{shell, tools};
use anyhow::Result;
use std::path::Path;
use std::process::Command;

/// The command, once what it needs is built and installed.
pub(crate) fn changes(proxy: &str) -> Result<Command> {
    if !Path::new(&tools::envoy()).exists() {
        tools::install()?;
    }
    shell::must(shell::command(&[
        "cargo",
        "build",
        "--quiet",
        "--release",
        "-p",
        "weft-lab",
        "-p",
        "weft-control",
        "-p",
        "weft-proxy",
        "-p",
        "weft-bookinfo",
    ]))?;
    let mut command = shell::command(&["target/release/weft-mesh", "--proxy", proxy]);
    command.env("WEFT_ENVOY", tools::envoy()).env("WEFT_PROGRAMS", shell::root().join("target/release"));
    Ok(command)
}
