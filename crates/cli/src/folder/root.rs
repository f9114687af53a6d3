//! Where run folders are.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::RunFolder;

/// The folder of all meshes of this user: `$XDG_RUNTIME_DIR/weft`, else `$XDG_STATE_HOME/weft`, else
/// `~/.local/state/weft`, else one in the place for temporary files.
#[must_use]
pub(crate) fn root() -> PathBuf {
    choose(|name| std::env::var_os(name).filter(|value| Path::new(value).is_absolute()))
}

fn choose(variable: impl Fn(&str) -> Option<OsString>) -> PathBuf {
    if let Some(runtime) = variable("XDG_RUNTIME_DIR") {
        return PathBuf::from(runtime).join("weft");
    }
    if let Some(state) = variable("XDG_STATE_HOME") {
        return PathBuf::from(state).join("weft");
    }
    match variable("HOME") {
        Some(home) => PathBuf::from(home).join(".local/state/weft"),
        None => std::env::temp_dir().join(format!("weft-{}", nix::unistd::geteuid())),
    }
}

/// Every mesh that runs, by name; what dead ones left is removed.
#[must_use]
pub(crate) fn all(root: &Path) -> Vec<(String, RunFolder)> {
    let entries = std::fs::read_dir(root).into_iter().flatten().flatten();
    let mut meshes: Vec<_> = entries
        .filter(|entry| entry.path().join("alive").is_file())
        .filter_map(|entry| Some((entry.file_name().into_string().ok()?, RunFolder::at(entry.path()))))
        .collect();
    meshes.retain(|(_, folder)| {
        let alive = folder.is_alive();
        if !alive {
            // Another process may be at it too.
            let _ = folder.clear();
        }
        alive
    });
    meshes.sort_by(|a, b| a.0.cmp(&b.0));
    meshes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_runtime_folder_comes_first() {
        let all = [("XDG_RUNTIME_DIR", "/run/user/7"), ("XDG_STATE_HOME", "/s"), ("HOME", "/h")];
        let root = |from: usize| {
            choose(|name| all[from..].iter().find(|(key, _)| *key == name).map(|(_, value)| value.into()))
        };
        assert_eq!(root(0), Path::new("/run/user/7/weft"));
        assert_eq!(root(1), Path::new("/s/weft"));
        assert_eq!(root(2), Path::new("/h/.local/state/weft"));
        assert!(root(3).starts_with(std::env::temp_dir()));
    }
}
