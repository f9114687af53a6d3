//! The oracle is a program of `weft-lab`, so that this one builds quickly.

use crate::{shell, tools};
use anyhow::Result;
use std::path::Path;
use std::process::Command;

/// The oracle's command, once what it needs is built and installed; `proxy` is judged instead of a
/// fresh build of `weft-proxy`.
pub(crate) fn prepare<S: AsRef<str>>(arguments: &[S], proxy: Option<&Path>) -> Result<Command> {
    if !Path::new(&tools::envoy()).exists() {
        tools::install()?;
    }
    let words: Vec<&str> = arguments.iter().map(AsRef::as_ref).collect();
    let mut build = shell::command(&["cargo", "build", "--quiet", "-p", "weft-lab"]);
    let without_weft = words.iter().any(|word| ["--self-check", "--print", "--help"].contains(word))
        || words.windows(2).any(|pair| pair[0] == "--subject" && ["envoy", "simulator"].contains(&pair[1]));
    if !without_weft && proxy.is_none() && std::env::var_os("WEFT_PROXY").is_none() {
        build.args(["-p", "weft-proxy"]);
    }
    shell::must(build)?;
    let mut oracle = shell::command(&["target/debug/weft-oracle"]);
    oracle.args(words).env("WEFT_ENVOY", tools::envoy());
    if let Some(proxy) = proxy {
        oracle.env("WEFT_PROXY", proxy);
    }
    Ok(oracle)
}

/// Runs the oracle.
pub(crate) fn run(arguments: &[String]) -> Result<bool> {
    shell::run(prepare(arguments, None)?)
}
