//! Locks on files, which the kernel takes back when their holder dies.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::{Context, Result, bail};

/// Takes a lock at once, for as long as the returned file is open.
pub(super) fn hold(path: &Path) -> Result<File> {
    let file = open(path)?;
    if file.try_lock().is_err() {
        bail!("{} is held by another process", path.display());
    }
    Ok(file)
}

/// Waits for a lock that others hold only for moments.
pub(super) fn wait(path: &Path) -> Result<File> {
    let file = open(path)?;
    file.lock().with_context(|| format!("cannot lock {}", path.display()))?;
    Ok(file)
}

/// Whether somebody holds it.
pub(super) fn is_held(path: &Path) -> bool {
    OpenOptions::new().write(true).open(path).is_ok_and(|file| file.try_lock().is_err())
}

fn open(path: &Path) -> Result<File> {
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path);
    file.with_context(|| format!("cannot open {}", path.display()))
}
