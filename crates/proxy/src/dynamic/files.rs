//! Secrets that lie in files of the workload: `file-root:PATH` and `file-cert:CHAIN~KEY`, as Istio's agent
//! answers them (DestinationRule and Gateway with paths, SD-17).

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use weft_tables::tls::{Secret, Validation};
use weft_types::Name;

use super::Dynamic;

/// Time between two looks at the files: they rotate.
const LOOK: Duration = Duration::from_secs(2);
/// Longest file, bytes.
const MAX_BYTES: u64 = 1024 * 1024;

/// Whether a secret of that name lies in files.
pub(super) fn holds(name: &str) -> bool {
    name.starts_with("file-root:") || name.starts_with("file-cert:")
}

/// A secret, or why it cannot be read.
pub(super) type Outcome = Result<Arc<Secret>, String>;

/// Reads the secret of that name.
pub(super) fn read(name: &str) -> Outcome {
    if let Some(path) = name.strip_prefix("file-root:") {
        let roots = Some(bytes(path)?);
        return Ok(Arc::new(Secret::Validation(Validation { roots, ..Validation::default() })));
    }
    let paths = name.strip_prefix("file-cert:").and_then(|rest| rest.split_once('~'));
    let (chain, key) = paths.ok_or("wanted file-cert:CHAIN~KEY")?;
    Ok(Arc::new(Secret::Certificate { chain: bytes(chain)?, key: bytes(key)? }))
}

fn bytes(path: &str) -> Result<Vec<u8>, String> {
    let fail = |error: std::io::Error| format!("{path}: {error}");
    // Opening a pipe would wait for somebody to write.
    if !std::fs::metadata(path).map_err(fail)?.is_file() {
        return Err(format!("{path}: no regular file"));
    }
    let file = std::fs::File::open(Path::new(path)).map_err(fail)?;
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(fail)?;
    match bytes.len() as u64 {
        0 => Err(format!("{path}: empty")),
        n if n > MAX_BYTES => Err(format!("{path}: longer than {MAX_BYTES} bytes")),
        _ => Ok(bytes),
    }
}

/// Reads wanted files again and again, on a thread that may wait for a slow file system.
pub(super) async fn watch(dynamic: Dynamic) {
    let wanted = dynamic.configuration.borrow().files_wanted.clone();
    loop {
        let names: Vec<Name> = dynamic.configuration.borrow().files.keys().cloned().collect();
        if names.is_empty() {
            wanted.notified().await;
            continue;
        }
        let reading = tokio::task::spawn_blocking(|| {
            names.into_iter().map(|name| (name.clone(), read(&name))).collect::<BTreeMap<_, _>>()
        });
        if let Ok(found) = reading.await {
            dynamic.changes(|configuration| configuration.take_files(found));
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = wanted.notified() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_which_files_and_faults_name_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        std::fs::write(path("a.pem"), "chain").unwrap();
        std::fs::write(path("a.key"), "key").unwrap();
        std::fs::write(path("none"), "").unwrap();
        let read_one = |name: String| read(&name);
        assert!(matches!(&*read_one(format!("file-cert:{}~{}", path("a.pem"), path("a.key"))).unwrap(),
            Secret::Certificate { chain, key } if chain == b"chain" && key == b"key"));
        assert!(matches!(&*read_one(format!("file-root:{}", path("a.pem"))).unwrap(), Secret::Validation(_)));
        assert!(read_one(format!("file-root:{}", path("none"))).unwrap_err().contains("empty"));
        assert!(read_one(format!("file-root:{}", path("lost"))).unwrap_err().contains("lost"));
        assert!(read_one("file-cert:x".to_owned()).unwrap_err().contains("CHAIN~KEY"));
        assert!(holds("file-root:x") && !holds("default"));
    }
}
