//! The node's files: our program among its CNI plugins, our entry in its configuration.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

/// Name of the plugin: its file, and its type in configurations.
pub const PLUGIN: &str = "istio-cni";
/// Name of the DaemonSet, with which its pods' names begin.
pub const AGENT: &str = "istio-cni-node";

/// Where things are, as the agent sees them.
#[derive(Clone, Debug)]
pub struct Places {
    /// Folder of plugins.
    pub programs: PathBuf,
    /// Folder of configurations.
    pub configurations: PathBuf,
    /// File in it; empty: the first `.conflist`, which is the one in use.
    pub file: String,
}

/// Puts our program where the runtime looks for plugins.
///
/// # Errors
/// The folder cannot be written.
pub fn program(places: &Places) -> Result<()> {
    let own = std::env::current_exe().context("this program's own file")?;
    let (to, new) = (places.programs.join(PLUGIN), places.programs.join(".istio-cni.new"));
    // Renamed, since the old one may be running.
    std::fs::copy(&own, &new).with_context(|| format!("writing {}", new.display()))?;
    std::fs::rename(&new, &to).with_context(|| format!("writing {}", to.display()))
}

/// Puts our entry at the end of the chain, and again where somebody has written the file anew. Whether anything
/// changed.
///
/// # Errors
/// There is no configuration, it is no list of plugins, or cannot be written.
pub fn entry(places: &Places, entry: &Value) -> Result<bool> {
    let path = find(places)?;
    change(&path, |plugins| {
        plugins.retain(|plugin| plugin["type"] != PLUGIN);
        plugins.push(entry.clone());
    })
}

/// Takes program and entry away.
///
/// # Errors
/// As [`entry`].
pub fn remove(places: &Places) -> Result<()> {
    let path = find(places)?;
    change(&path, |plugins| plugins.retain(|plugin| plugin["type"] != PLUGIN))?;
    std::fs::remove_file(places.programs.join(PLUGIN)).context("removing the plugin")
}

/// Our entry.
#[must_use]
pub fn wanted(socket: &Path, exclude: &[String], namespace: &str) -> Value {
    json!({"type": PLUGIN, "socket": socket, "excludeNamespaces": exclude, "agentNamespace": namespace})
}

fn find(places: &Places) -> Result<PathBuf> {
    if !places.file.is_empty() {
        return Ok(places.configurations.join(&places.file));
    }
    let folder = places.configurations.display();
    let entries = std::fs::read_dir(&places.configurations).with_context(|| format!("reading {folder}"))?;
    let mut files: Vec<PathBuf> = entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect();
    files.sort();
    let ends = |path: &&PathBuf| {
        path.extension().is_some_and(|end| end == "conflist" || end == "conf" || end == "json")
    };
    match files.iter().find(ends) {
        Some(path) if path.extension().is_some_and(|end| end == "conflist") => Ok(path.clone()),
        Some(path) => bail!("{} is one plugin and no .conflist: it cannot be chained", path.display()),
        None => bail!("no CNI configuration in {folder} yet: the cluster's network is not there"),
    }
}

fn change(path: &Path, how: impl FnOnce(&mut Vec<Value>)) -> Result<bool> {
    let place = || format!("CNI configuration {}", path.display());
    let text = std::fs::read_to_string(path).with_context(place)?;
    let mut config: Value = serde_json::from_str(&text).with_context(place)?;
    let before = config.clone();
    let Some(plugins) = config.get_mut("plugins").and_then(Value::as_array_mut) else {
        bail!("{}: plugins is no list", place());
    };
    how(plugins);
    if config == before {
        return Ok(false);
    }
    // Of no ending that a runtime reads.
    let new = path.with_extension("weft-new");
    std::fs::write(&new, serde_json::to_string_pretty(&config)?).with_context(place)?;
    std::fs::rename(&new, path).with_context(place)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_entry_is_last_once_and_goes_again() {
        let dir = tempfile::tempdir().unwrap();
        let places = Places {
            programs: dir.path().to_owned(),
            configurations: dir.path().to_owned(),
            file: String::new(),
        };
        let ours = wanted(Path::new("/s"), &["kube-system".to_owned()], "istio-system");
        assert!(entry(&places, &ours).unwrap_err().to_string().contains("no CNI configuration"));
        let file = dir.path().join("10-a.conflist");
        let before = json!({"cniVersion": "0.4.0", "name": "n", "plugins": [{"type": "bridge"}]});
        std::fs::write(&file, before.to_string()).unwrap();
        assert!(entry(&places, &ours).unwrap());
        assert!(!entry(&places, &ours).unwrap());
        let now: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
        assert_eq!(now["plugins"], json!([{"type": "bridge"}, ours]));
        std::fs::write(dir.path().join(PLUGIN), "").unwrap();
        remove(&places).unwrap();
        let now: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
        assert_eq!(now, before);
        std::fs::write(dir.path().join("05.conf"), "{}").unwrap();
        assert!(entry(&places, &ours).unwrap_err().to_string().contains("no .conflist"));
    }
}
