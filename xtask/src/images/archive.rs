//! A docker archive: one layer, its configuration, and a manifest that names both. The same image gives the same
//! bytes: times are zero, owners root, entries sorted.

use anyhow::{Context, Result};
use aws_lc_rs::digest::{SHA256, digest};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use tar::{Builder, EntryType, Header};

/// What an image holds, and how it is run.
#[derive(Debug)]
pub(crate) struct Image {
    pub(crate) name: String,
    pub(crate) user: String,
    pub(crate) entrypoint: Vec<String>,
    pub(crate) environment: Vec<String>,
    /// By absolute path.
    pub(crate) entries: BTreeMap<String, Entry>,
}

/// One path of an image.
#[derive(Debug)]
pub(crate) enum Entry {
    /// A file of this machine, links followed.
    File(PathBuf),
    /// A symbolic link.
    Link(String),
}

const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// Users by name: programs ask for their own.
const USERS: &str = "root:x:0:0:root:/:/bin/false\nnobody:x:65534:65534:nobody:/:/bin/false\n\
                     istio-proxy:x:1337:1337:istio-proxy:/:/bin/false\napplication:x:1000:1000::/:/bin/false\n";
const GROUPS: &str = "root:x:0:\nnobody:x:65534:\nistio-proxy:x:1337:\napplication:x:1000:\n";
const NAME_LOOKUP: &str = "hosts: files dns\n";

/// Writes an image; its size in bytes.
pub(crate) fn write(image: &Image, path: &Path) -> Result<u64> {
    let layer = layer(image)?;
    let layer_id = sha256(&layer);
    let mut environment = vec![PATH.to_owned()];
    environment.extend_from_slice(&image.environment);
    let config = json!({
        "architecture": "amd64",
        "os": "linux",
        "created": "1970-01-01T00:00:00Z",
        "config": {
            "Env": environment,
            "Entrypoint": image.entrypoint,
            "User": image.user,
            "WorkingDir": "/",
        },
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{layer_id}")]},
        "history": [{"created": "1970-01-01T00:00:00Z", "created_by": "cargo xtask images"}],
    });
    let config = bytes(&config)?;
    let config_name = format!("{}.json", sha256(&config));
    let layer_name = format!("{layer_id}/layer.tar");
    let manifest = json!([{"Config": config_name, "RepoTags": [image.name], "Layers": [layer_name]}]);

    let file = std::fs::File::create(path).with_context(|| format!("writing {}", path.display()))?;
    let mut archive = Builder::new(std::io::BufWriter::new(file));
    for (name, content) in
        [(&*config_name, &config), (&*layer_name, &layer), ("manifest.json", &bytes(&manifest)?)]
    {
        append(&mut archive, name, EntryType::Regular, 0o644, content)?;
    }
    archive.into_inner()?.flush()?;
    Ok(std::fs::metadata(path)?.len())
}

fn layer(image: &Image) -> Result<Vec<u8>> {
    let mut layer = Builder::new(Vec::new());
    let mut folders = BTreeSet::new();
    for (folder, mode) in [("tmp", 0o1777), ("etc", 0o755), ("run", 0o755), ("var", 0o755)] {
        folders.insert(folder.to_owned());
        append(&mut layer, &format!("{folder}/"), EntryType::Directory, mode, &[])?;
    }
    for (name, text) in [("etc/passwd", USERS), ("etc/group", GROUPS), ("etc/nsswitch.conf", NAME_LOOKUP)] {
        append(&mut layer, name, EntryType::Regular, 0o644, text.as_bytes())?;
    }
    for (at, entry) in &image.entries {
        let at = at.trim_start_matches('/');
        for (end, _) in at.match_indices('/') {
            if folders.insert(at[..end].to_owned()) {
                append(&mut layer, &format!("{}/", &at[..end]), EntryType::Directory, 0o755, &[])?;
            }
        }
        match entry {
            Entry::File(source) => {
                let content =
                    std::fs::read(source).with_context(|| format!("reading {}", source.display()))?;
                let mode = std::fs::metadata(source)?.permissions().mode() & 0o777;
                append(&mut layer, at, EntryType::Regular, mode, &content)?;
            }
            Entry::Link(to) => {
                let mut header = header(EntryType::Symlink, 0o777, 0);
                layer.append_link(&mut header, at, to)?;
            }
        }
    }
    Ok(layer.into_inner()?)
}

fn append<W: Write>(
    archive: &mut Builder<W>,
    name: &str,
    kind: EntryType,
    mode: u32,
    content: &[u8],
) -> Result<()> {
    let mut header = header(kind, mode, content.len() as u64);
    archive.append_data(&mut header, name, content).with_context(|| format!("adding {name}"))
}

fn header(kind: EntryType, mode: u32, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header
}

fn bytes(value: &Value) -> Result<Vec<u8>> {
    Ok(serde_json::to_vec(value)?)
}

fn sha256(data: &[u8]) -> String {
    digest(&SHA256, data).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is listed in an archive, with modes and owners.
    fn listing(bytes: &[u8]) -> Vec<(String, u32, u64)> {
        let mut archive = tar::Archive::new(bytes);
        let entries = archive.entries().expect("entries");
        entries
            .map(|entry| {
                let entry = entry.expect("entry");
                let header = entry.header();
                let name = entry.path().expect("path").display().to_string();
                (name, header.mode().expect("mode"), header.uid().expect("owner"))
            })
            .collect()
    }

    #[test]
    fn a_layer_has_each_folder_once_before_what_is_in_it_and_is_the_same_every_time() {
        let image = Image {
            name: "a/b:1".into(),
            user: "1337:1337".into(),
            entrypoint: vec!["/opt/x/self".into()],
            environment: vec![],
            entries: BTreeMap::from([
                ("/opt/x/self".to_owned(), Entry::File(PathBuf::from("/proc/self/comm"))),
                ("/opt/x/link".to_owned(), Entry::Link("self".into())),
            ]),
        };
        let layer = layer(&image).expect("layer");
        let names: Vec<String> = listing(&layer).into_iter().map(|(name, ..)| name).collect();
        let expected = [
            "tmp/",
            "etc/",
            "run/",
            "var/",
            "etc/passwd",
            "etc/group",
            "etc/nsswitch.conf",
            "opt/",
            "opt/x/",
            "opt/x/link",
            "opt/x/self",
        ];
        assert_eq!(names, expected);
        assert_eq!(listing(&layer)[0], ("tmp/".to_owned(), 0o1777, 0));
        assert_eq!(super::layer(&image).expect("again"), layer);
    }
}
