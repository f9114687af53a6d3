//! Finds the descriptors that the envoy-types package carries beside its source.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Path of `types.bin`, a `FileDescriptorSet` of all messages in envoy-types.
///
/// The crate exports no descriptors, so the package folder is asked of Cargo. Offline first: a build
/// has fetched what it needs; only a partial build (`-p`) may lack a manifest that the resolver reads.
pub(crate) fn types_bin(manifest_dir: &Path) -> Result<PathBuf, Box<dyn Error>> {
    let metadata = metadata(manifest_dir, true).or_else(|_| metadata(manifest_dir, false))?;
    let packages = metadata["packages"].as_array().ok_or("cargo metadata: no packages")?;
    let manifest = packages
        .iter()
        .find(|package| package["name"] == "envoy-types")
        .and_then(|package| package["manifest_path"].as_str())
        .ok_or("cargo metadata: no package envoy-types")?;
    let folder = Path::new(manifest).parent().ok_or("envoy-types: manifest without a folder")?;
    Ok(folder.join("src/generated/types.bin"))
}

fn metadata(manifest_dir: &Path, offline: bool) -> Result<serde_json::Value, Box<dyn Error>> {
    let mut command = Command::new(std::env::var_os("CARGO").ok_or("CARGO")?);
    command.arg("metadata").args(["--format-version", "1"]).current_dir(manifest_dir);
    // Without a platform Cargo wants the manifests of all platforms, which a build does not fetch.
    command.arg("--filter-platform").arg(std::env::var_os("TARGET").ok_or("TARGET")?);
    if offline {
        command.arg("--offline");
    }
    let output = command.output()?;
    if !output.status.success() {
        return Err(format!("cargo metadata: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}
