//! The run folder: what a mesh on this machine keeps on disk while it runs, for its owner's eyes only.
//!
//! ```text
//! ROOT/MESH/            0700, locked (`alive`) as long as the mesh runs
//!   mesh.json           where the mesh is, for `weft run`
//!   objects/*.json      Pods and Services of what runs; the control plane reads them as it reads the user's
//!   tokens.csv          every workload's token, for the control plane (0600)
//!   tokens/POD          one workload's token, for its proxy (0600)
//!   state/              the control plane's own: authority, root certificate
//!   logs/*.log
//! ```

mod locks;
mod record;
mod registry;
mod root;

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

pub(crate) use record::{MeshRecord, Owned};
pub(crate) use registry::Registered;
pub(crate) use root::{all, root};

/// A run folder, of this process or of another.
#[derive(Debug, Clone)]
pub(crate) struct RunFolder {
    path: PathBuf,
}

/// The run folder of this process: exists as long as this value, then is removed.
#[derive(Debug)]
pub(crate) struct OwnFolder {
    folder: RunFolder,
    /// Locked until it is closed.
    alive: Option<File>,
}

impl RunFolder {
    /// Makes the folder of a new mesh, in place of one that was left by a mesh that died.
    ///
    /// # Errors
    /// If a mesh of that name runs, or the folder cannot be made.
    pub(crate) fn create(root: &Path, mesh: &str) -> Result<OwnFolder> {
        private(root)?;
        let path = root.join(mesh);
        let folder = Self { path };
        if folder.path.exists() {
            if folder.is_alive() {
                bail!("the mesh {mesh:?} is running already; choose another name with --name");
            }
            folder.clear()?;
        }
        private(&folder.path)?;
        let alive = locks::hold(&folder.path.join("alive"))?;
        for part in ["objects", "tokens", "state", "logs"] {
            private(&folder.path.join(part))?;
        }
        write_private(&folder.tokens(), "")?;
        Ok(OwnFolder { folder, alive: Some(alive) })
    }

    fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// The folder itself.
    #[must_use]
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Objects of what runs.
    #[must_use]
    pub(crate) fn objects(&self) -> PathBuf {
        self.path.join("objects")
    }

    /// The control plane's state.
    #[must_use]
    pub(crate) fn state(&self) -> PathBuf {
        self.path.join("state")
    }

    /// The file with every token.
    #[must_use]
    pub(crate) fn tokens(&self) -> PathBuf {
        self.path.join("tokens.csv")
    }

    /// The log of a child.
    #[must_use]
    pub(crate) fn log(&self, child: &str) -> PathBuf {
        self.path.join("logs").join(format!("{child}.log"))
    }

    /// Whether the mesh runs: whoever made the folder holds its lock.
    #[must_use]
    pub(crate) fn is_alive(&self) -> bool {
        locks::is_held(&self.path.join("alive"))
    }

    /// Removes a folder that is nobody's any more, and the user's folder if the mesh had made it and nobody
    /// changed it.
    fn clear(&self) -> Result<()> {
        if let Ok(record) = MeshRecord::read(self) {
            record.remove_untouched();
        }
        fs::remove_dir_all(&self.path).with_context(|| format!("cannot remove {}", self.path.display()))
    }
}

impl std::ops::Deref for OwnFolder {
    type Target = RunFolder;

    fn deref(&self) -> &RunFolder {
        &self.folder
    }
}

impl Drop for OwnFolder {
    fn drop(&mut self) {
        if self.alive.is_none() {
            return;
        }
        // A proxy that is just ending may still have written a line.
        if fs::remove_dir_all(&self.folder.path).is_err() {
            let _ = fs::remove_dir_all(&self.folder.path);
        }
        // Goes only when no other mesh is in it.
        if let Some(root) = self.folder.path.parent() {
            let _ = fs::remove_dir(root);
        }
    }
}

/// Makes a folder that only its owner may enter, or checks that an existing one is such.
fn private(path: &Path) -> Result<()> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.with_context(|| format!("cannot make the folder {}", path.display()))?;
    let found = fs::symlink_metadata(path)?;
    if !found.is_dir() || found.uid() != nix::unistd::geteuid().as_raw() || found.mode() & 0o077 != 0 {
        bail!("{} must be a folder of yours that nobody else may enter (mode 0700)", path.display());
    }
    Ok(())
}

/// Writes a file that only its owner may read, whole or not at all.
fn write_private(path: &Path, text: &str) -> Result<()> {
    // Hidden, so that nobody who watches the folder reads it.
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let draft = path.with_file_name(format!(".{name}.{}", std::process::id()));
    let write = || {
        let options = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft);
        options?.write_all(text.as_bytes())?;
        fs::rename(&draft, path)
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests;
