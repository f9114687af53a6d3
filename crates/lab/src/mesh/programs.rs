//! Where the programs of a mesh are.

use anyhow::{Context as _, Result};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Copies a program to where any user may run it: the checkout may lie in a folder closed to uid 1337.
pub(super) fn install(from: &Path, to: &Path) -> Result<()> {
    std::fs::copy(from, to).with_context(|| format!("{} is needed: build it first", from.display()))?;
    Ok(std::fs::set_permissions(to, PermissionsExt::from_mode(0o755))?)
}

pub(super) fn program(name: &str) -> PathBuf {
    let folder = std::env::var_os("WEFT_PROGRAMS").map_or_else(|| at_root("target/debug"), PathBuf::from);
    folder.join(name)
}

pub(super) fn envoy() -> PathBuf {
    std::env::var_os("WEFT_ENVOY").map_or_else(|| at_root("target/tools/venv/bin/envoy"), PathBuf::from)
}

fn at_root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}
