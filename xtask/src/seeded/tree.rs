//! The copy of the committed tree that bugs are sown into, with a target directory of its own: the
//! user's files and builds stay as they are.

use super::bugs::Bug;
use crate::shell::{bounded, command, must, output};
use anyhow::{Context, Result, anyhow};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

const HOME: &str = "target/seeded";
/// The first build compiles all dependencies.
const BUILD: Duration = Duration::from_secs(30 * 60);

/// The copy. It is removed when it is dropped; what was built from it stays, to save the next run time.
#[derive(Debug)]
pub(super) struct Tree {
    root: PathBuf,
    target: PathBuf,
    commit: String,
}

impl Tree {
    /// Copies what HEAD holds.
    pub(super) fn copy() -> Result<Self> {
        let home = std::path::absolute(HOME)?;
        let tree = Self {
            root: home.join("tree"),
            target: home.join("build"),
            commit: output(&["git", "rev-parse", "--short", "HEAD"])?,
        };
        // Left by a run that was killed.
        tree.remove();
        std::fs::create_dir_all(&tree.root)?;
        // By an index of its own: neither the user's index nor a list of worktrees is touched.
        let index = home.join("index");
        let prefix = format!("--prefix={}/", tree.root.display());
        for words in [
            &["git", "read-tree", &tree.commit][..],
            &["git", "checkout-index", "--all", "--force", "--quiet", &prefix],
        ] {
            let mut git = command(words);
            git.env("GIT_INDEX_FILE", &index);
            must(git)?;
        }
        let _ = std::fs::remove_file(index);
        Ok(tree)
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// The commit that was copied.
    pub(super) fn commit(&self) -> &str {
        &self.commit
    }

    /// A binary that was built from the copy.
    pub(super) fn binary(&self, name: &str) -> PathBuf {
        self.target.join("debug").join(name)
    }

    /// Builds some packages; whether they could be built. What the compiler says goes to
    /// `target/seeded/build.log`.
    pub(super) fn build(&self, packages: &[&str]) -> Result<bool> {
        let log = File::create(self.target.with_file_name("build.log"))?;
        let mut cargo = bounded(BUILD, &["cargo", "build", "--quiet"]);
        cargo.args(packages).current_dir(&self.root).env("CARGO_TARGET_DIR", &self.target);
        // Warnings are no errors here: a bug may well leave something unused.
        cargo.env("CARGO_PROFILE_DEV_DEBUG", "0").env_remove("RUSTFLAGS").stderr(log);
        Ok(cargo.status().context("starting cargo")?.success())
    }

    /// Sows a bug; it is taken out again when the value is dropped.
    pub(super) fn sow(&self, bug: &Bug) -> Result<Sown> {
        let (with, without) = bug.place(&self.root).map_err(|why| anyhow!(why))?;
        let file = self.root.join(&bug.file);
        std::fs::write(&file, with)?;
        Ok(Sown { file, without })
    }

    fn remove(&self) {
        let _ = std::fs::remove_dir_all(&self.root);
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        self.remove();
    }
}

/// A bug that is in the tree.
#[derive(Debug)]
pub(super) struct Sown {
    file: PathBuf,
    without: String,
}

impl Drop for Sown {
    fn drop(&mut self) {
        // Should it fail, the next bug in this file is sown beside this one: its build or its rows tell.
        if let Err(error) = std::fs::write(&self.file, &self.without) {
            eprintln!("{}: {error}", self.file.display());
        }
    }
}
