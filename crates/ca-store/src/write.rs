//! Writing, so that a crash leaves either what was or what shall be.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use weft_ca::Authority;
use zeroize::Zeroizing;

use crate::error::StoreError;
use crate::{CA_CERT, CA_KEY, CERT_CHAIN, ROOT_CERT};

/// Makes the folder with all files in it; false if another process made it first.
pub(crate) fn create(folder: &Path, authority: &Authority) -> Result<bool, StoreError> {
    let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(parent).map_err(failed(parent))?;
    let aside = tempfile::Builder::new()
        .prefix(".new-authority-")
        .permissions(Permissions::from_mode(0o700))
        .tempdir_in(parent)
        .map_err(failed(parent))?;
    let files = [
        (CA_KEY, authority.key_pem()),
        (CA_CERT, Zeroizing::new(authority.certificate_pem())),
        // Our root has nothing above it; Istio wants the file, and the authority itself in it.
        (CERT_CHAIN, Zeroizing::new(authority.certificate_pem())),
        (ROOT_CERT, Zeroizing::new(authority.roots_pem())),
    ];
    for (name, text) in &files {
        let path = aside.path().join(name);
        let mut file =
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).map_err(failed(&path))?;
        file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed(&path))?;
    }
    sync(aside.path())?;
    match fs::rename(aside.path(), folder) {
        Ok(()) => {
            // There is nothing left to remove where it was.
            let _ = aside.keep();
            sync(parent)?;
            Ok(true)
        }
        Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(false),
        Err(source) => Err(StoreError::Write { path: folder.to_owned(), source }),
    }
}

/// Replaces certificates, the bundle first: it holds the old root and the new one, so that it goes with
/// either certificate. The key stays.
pub(crate) fn replace(folder: &Path, renewed: &Authority) -> Result<(), StoreError> {
    let key = folder.join(CA_KEY);
    let kept = Zeroizing::new(
        fs::read_to_string(&key).map_err(|source| StoreError::Read { path: key.clone(), source })?,
    );
    if *kept != *renewed.key_pem() {
        return Err(StoreError::OtherKey(key));
    }
    for (name, text) in [
        (ROOT_CERT, renewed.roots_pem()),
        (CERT_CHAIN, renewed.certificate_pem()),
        (CA_CERT, renewed.certificate_pem()),
    ] {
        let path = folder.join(name);
        // Temporary files have mode 0600.
        let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed(&path))?;
        file.write_all(text.as_bytes()).and_then(|()| file.as_file().sync_all()).map_err(failed(&path))?;
        file.persist(&path).map_err(|error| failed(&path)(error.error))?;
        sync(folder)?;
    }
    Ok(())
}

fn sync(folder: &Path) -> Result<(), StoreError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed(folder))
}

fn failed(path: &Path) -> impl Fn(io::Error) -> StoreError {
    move |source| StoreError::Write { path: path.to_owned(), source }
}
