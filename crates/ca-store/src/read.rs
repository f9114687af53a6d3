//! Reading.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use weft_ca::{Authority, AuthorityFiles, MAX_FILE_BYTES, PemFile};
use zeroize::Zeroizing;

use crate::error::StoreError;
use crate::{CA_CERT, CA_CRL, CA_KEY, CERT_CHAIN, ROOT_CERT};

/// A file with the name that errors show.
struct Content {
    name: String,
    text: Zeroizing<Vec<u8>>,
}

/// What the files of an authority are called.
struct Layout {
    certificate: &'static str,
    key: &'static str,
    chain: Option<&'static str>,
    roots: &'static str,
}

const ISTIO: Layout = Layout { certificate: CA_CERT, key: CA_KEY, chain: Some(CERT_CHAIN), roots: ROOT_CERT };
/// A Kubernetes secret of type `kubernetes.io/tls`, such as cert-manager writes.
const KUBERNETES: Layout = Layout { certificate: "tls.crt", key: "tls.key", chain: None, roots: "ca.crt" };

/// Reads an authority from a folder: Istio's `cacerts` layout (`cert-chain.pem` and `ca-crl.pem` may be
/// absent), else that of a Kubernetes TLS secret. Source: CP-19.
///
/// # Errors
/// Names the file and what is wrong with it.
pub fn load(folder: &Path, now: SystemTime) -> Result<Authority, StoreError> {
    let there = |name: &str| folder.join(name).exists();
    let layout = [ISTIO, KUBERNETES]
        .into_iter()
        .find(|layout| there(layout.certificate) || there(layout.key))
        .ok_or_else(|| StoreError::NoAuthority(folder.to_owned()))?;
    let needed = |name: &str| {
        let path = folder.join(name);
        read(&path)?.ok_or(StoreError::Missing(path))
    };
    let optional = |name: Option<&str>| name.map_or(Ok(None), |name| read(&folder.join(name)));
    let certificate = needed(layout.certificate)?;
    let key = needed(layout.key)?;
    let roots = needed(layout.roots)?;
    let chain = optional(layout.chain)?;
    let revocation_list = optional(Some(CA_CRL))?;
    let files = AuthorityFiles {
        certificate: certificate.file(),
        key: key.file(),
        chain: chain.as_ref().map(Content::file),
        roots: roots.file(),
        revocation_list: revocation_list.as_ref().map(Content::file),
    };
    Ok(Authority::from_pem(&files, now)?)
}

/// Whether a folder is absent or has nothing in it.
pub(crate) fn is_vacant(folder: &Path) -> Result<bool, StoreError> {
    match fs::read_dir(folder) {
        Ok(mut entries) => Ok(entries.next().is_none()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(source) => Err(StoreError::Read { path: folder.to_owned(), source }),
    }
}

/// Refuses a key of ours that others may read.
pub(crate) fn check_private(key: &Path) -> Result<(), StoreError> {
    let mode = match fs::metadata(key) {
        Ok(metadata) => metadata.permissions().mode() & 0o777,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(StoreError::Missing(key.to_owned()));
        }
        Err(source) => return Err(StoreError::Read { path: key.to_owned(), source }),
    };
    if mode & 0o077 != 0 { Err(StoreError::Exposed { path: key.to_owned(), mode }) } else { Ok(()) }
}

/// Reads a file up to its limit and one byte more, by which the authority sees that it is too long.
fn read(path: &PathBuf) -> Result<Option<Content>, StoreError> {
    let failed = |source| StoreError::Read { path: path.clone(), source };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(failed(source)),
    };
    let limit = u64::try_from(MAX_FILE_BYTES).unwrap_or(u64::MAX).saturating_add(1);
    let mut text = Zeroizing::new(Vec::new());
    file.take(limit).read_to_end(&mut text).map_err(failed)?;
    Ok(Some(Content { name: path.display().to_string(), text }))
}

impl Content {
    fn file(&self) -> PemFile<'_> {
        PemFile { name: &self.name, text: &self.text }
    }
}
