//! The token that says who a workload is, before it has a certificate.

use std::path::{Path, PathBuf};

use tonic::metadata::{Ascii, MetadataValue};

/// Longest token that is read, bytes.
pub const MAX_TOKEN_BYTES: u64 = 64 * 1024;

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The file cannot be read.
    #[error(
        "token file {}: {source}; mount a service account token of audience istio-ca there, or name another file with --token",
        path.display()
    )]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// What is in it is no token.
    #[error("token file {}: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: &'static str,
    },
}

/// Reads a token file now, as the value of `authorization`: `Bearer TOKEN`. Kubernetes replaces the file
/// long before the token in it ends, so it is read for each attempt.
///
/// # Errors
/// The file cannot be read, is empty, longer than [`MAX_TOKEN_BYTES`] or holds what no header can carry.
pub async fn bearer(path: &Path) -> Result<MetadataValue<Ascii>, TokenError> {
    let malformed = |reason| TokenError::Malformed { path: path.to_owned(), reason };
    let text = read(path).await.map_err(|source| TokenError::Read { path: path.to_owned(), source })?;
    let token = std::str::from_utf8(&text).map_err(|_| malformed("it is not text"))?.trim();
    if token.is_empty() {
        return Err(malformed("it is empty"));
    }
    if text.len() as u64 > MAX_TOKEN_BYTES {
        return Err(malformed("it is longer than 65536 bytes"));
    }
    let mut value: MetadataValue<Ascii> = format!("Bearer {token}")
        .parse()
        .map_err(|_| malformed("it holds bytes that no header can carry"))?;
    value.set_sensitive(true);
    Ok(value)
}

async fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    use tokio::io::AsyncReadExt as _;
    let mut bytes = Vec::new();
    tokio::fs::File::open(path).await?.take(MAX_TOKEN_BYTES + 1).read_to_end(&mut bytes).await?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_token_is_trimmed_and_bad_files_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let missing = bearer(&path).await.unwrap_err().to_string();
        assert!(missing.contains("token: No such file") && missing.contains("--token"), "{missing}");
        std::fs::write(&path, "abc\n").unwrap();
        assert_eq!(bearer(&path).await.unwrap(), "Bearer abc");
        for (bytes, said) in [
            (&b" \n"[..], "empty"),
            (&b"a\nb"[..], "no header"),
            (&[0xff][..], "not text"),
            (&[b'a'; 65537][..], "longer"),
        ] {
            std::fs::write(&path, bytes).unwrap();
            let refused = bearer(&path).await.unwrap_err().to_string();
            assert!(refused.contains(said), "{refused}");
        }
    }
}
