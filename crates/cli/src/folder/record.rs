//! `mesh.json`: where a running mesh is.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::{RunFolder, write_private};
use crate::address::Block;

/// What `weft run` needs to know of a mesh, and what is to be cleared after one that died.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct MeshRecord {
    /// The user's folder.
    pub(crate) dir: PathBuf,
    /// Files in it that the mesh wrote, if it made the folder itself.
    pub(crate) owned: Option<Owned>,
    /// Process that runs it.
    pub(crate) pid: u32,
    /// Control plane's port for proxies, on 127.0.0.1.
    pub(crate) grpc: u16,
    /// Its port for people.
    pub(crate) http: u16,
    /// The ingress gateway's port.
    pub(crate) ingress: u16,
    /// Pod addresses.
    pub(crate) block: Block,
}

impl MeshRecord {
    /// Reads it.
    ///
    /// # Errors
    /// If it is not there, or not ours.
    pub(crate) fn read(folder: &RunFolder) -> Result<Self> {
        let path = folder.path().join("mesh.json");
        let text = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_slice(&text).with_context(|| format!("{} is broken", path.display()))
    }

    /// Writes it.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(crate) fn write(&self, folder: &RunFolder) -> Result<()> {
        write_private(&folder.path().join("mesh.json"), &serde_json::to_string_pretty(self)?)
    }

    /// Removes the user's folder if the mesh made it and everything in it is still as it was written;
    /// whether it is gone.
    pub(crate) fn remove_untouched(&self) -> bool {
        self.owned.as_ref().is_some_and(|owned| owned.is_untouched(&self.dir))
            && fs::remove_dir_all(&self.dir).is_ok()
    }
}

/// The files that we wrote into a folder of our own: name → content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Owned(pub(crate) BTreeMap<String, String>);

impl Owned {
    /// Whether the folder holds exactly these files with this content.
    fn is_untouched(&self, dir: &Path) -> bool {
        let Ok(entries) = fs::read_dir(dir) else { return false };
        let mut count = 0;
        for entry in entries {
            let Ok(entry) = entry else { return false };
            let name = entry.file_name().to_string_lossy().into_owned();
            let same = self
                .0
                .get(&name)
                .is_some_and(|text| fs::read(entry.path()).is_ok_and(|found| found == text.as_bytes()));
            if !same {
                return false;
            }
            count += 1;
        }
        // A file that the user removed is a change too.
        count == self.0.len()
    }
}
