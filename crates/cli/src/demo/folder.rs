//! The folder that the user edits, with Bookinfo's objects in it.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::folder::Owned;
use crate::services::Contents;

/// The files of the demo.
const FILES: [(&str, &str); 4] = [
    ("README.md", include_str!("../../demo/README.md")),
    ("bookinfo.yaml", include_str!("../../demo/bookinfo.yaml")),
    ("ingress.yaml", include_str!("../../demo/ingress.yaml")),
    ("versions.yaml", include_str!("../../demo/versions.yaml")),
];

/// Writes the demo's files into the user's folder, or into a new one of our own if none is given. What is there
/// stays: neither a file is overwritten, nor an object defined a second time.
///
/// # Errors
/// If the folder cannot be made or written.
pub(crate) fn write_files(dir: Option<&Path>) -> Result<(PathBuf, Option<Owned>)> {
    let Some(dir) = dir else {
        let dir = fresh()?;
        let files = FILES.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
        let owned = Owned(files.collect::<BTreeMap<_, _>>());
        write(&dir)?;
        return Ok((dir, Some(owned)));
    };
    fs::create_dir_all(dir).with_context(|| format!("cannot make the folder {}", dir.display()))?;
    let dir = dir.canonicalize().with_context(|| format!("no folder {}", dir.display()))?;
    write(&dir)?;
    Ok((dir, None))
}

fn write(dir: &Path) -> Result<()> {
    let there = Contents::read(&[dir]).objects;
    for (name, text) in FILES {
        let decoded = weft_api::decode(text, name);
        if decoded.iter().filter_map(|d| d.object.as_ref()).any(|object| there.contains(&object.reference)) {
            continue;
        }
        let path = dir.join(name);
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(mut file) => file.write_all(text.as_bytes()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(error),
        }
        .with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// A new folder for one demo, in the place for temporary files.
fn fresh() -> Result<PathBuf> {
    let place = std::env::temp_dir();
    for number in 0..1000 {
        let dir = place.join(format!("weft-demo-{}-{number}", std::process::id()));
        match fs::DirBuilder::new().mode(0o700).create(&dir) {
            Ok(()) => return Ok(dir),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error).with_context(|| format!("cannot make {}", dir.display())),
        }
    }
    anyhow::bail!("no free name for a folder in {}", place.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_objects_are_read_without_a_word() {
        let mut count = 0;
        for (name, text) in FILES.iter().filter(|(name, _)| name.ends_with(".yaml")) {
            for decoded in weft_api::decode(text, name) {
                assert!(decoded.diagnostics.is_empty(), "{:?}", decoded.diagnostics);
                assert!(decoded.object.is_some());
                count += 1;
            }
        }
        assert_eq!(count, 8 + 2 + 4);
    }

    #[test]
    fn the_example_of_the_readme_is_read_without_a_word() {
        let (_, readme) = FILES[0];
        let example = readme.split("```yaml").nth(1).unwrap().split("```").next().unwrap();
        let decoded = weft_api::decode(example, "README.md");
        assert!(decoded.len() == 1 && decoded[0].diagnostics.is_empty(), "{decoded:?}");
    }

    #[test]
    fn what_is_there_stays() {
        let dir = tempfile::tempdir().unwrap();
        let own = "apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: demo-ingress}\nspec:\n  \
            servers:\n  - port: {number: 80, name: http, protocol: HTTP}\n    hosts: [own.example]\n";
        fs::write(dir.path().join("mine.yaml"), own).unwrap();
        fs::write(dir.path().join("versions.yaml"), "# none\n").unwrap();
        write_files(Some(dir.path())).unwrap();
        write_files(Some(dir.path())).unwrap();
        let read = |name: &str| fs::read_to_string(dir.path().join(name)).ok();
        assert_eq!(read("mine.yaml").as_deref(), Some(own));
        assert_eq!(read("versions.yaml").as_deref(), Some("# none\n"));
        assert_eq!(read("ingress.yaml"), None, "its Gateway is defined in mine.yaml");
        assert_eq!(read("bookinfo.yaml").as_deref(), Some(FILES[1].1));
    }
}
