//! Names → secrets.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};

use weft_ca::WorkloadCertificate;
use weft_proto::any;
use weft_proto::envoy::config::core::v3::DataSource;
use weft_proto::envoy::config::core::v3::data_source::Specifier;
use weft_proto::envoy::extensions::transport_sockets::tls::v3::{
    CertificateValidationContext, Secret, TlsCertificate, secret,
};
use weft_proto::google::protobuf::Any;

/// The workload's certificate and key.
pub const DEFAULT: &str = "default";
/// The roots to trust.
pub const ROOT: &str = "ROOTCA";
/// Longest file of a file-mounted secret, bytes.
pub const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// What a name asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// `default`.
    Certificate,
    /// `ROOTCA`.
    Roots,
    /// `file-cert:CERT~KEY`.
    CertificateFiles { certificate: PathBuf, key: PathBuf },
    /// `file-root:CA`.
    RootsFile(PathBuf),
}

impl Wanted {
    /// Reads a name; `None` when it is none that we serve.
    pub(super) fn parse(name: &str) -> Option<Self> {
        let path = |text: &str| (!text.is_empty() && !text.contains('~')).then(|| PathBuf::from(text));
        match name {
            DEFAULT => return Some(Self::Certificate),
            ROOT => return Some(Self::Roots),
            _ => {}
        }
        if let Some(root) = name.strip_prefix("file-root:") {
            return path(root).map(Self::RootsFile);
        }
        let (certificate, key) = name.strip_prefix("file-cert:")?.split_once('~')?;
        Some(Self::CertificateFiles { certificate: path(certificate)?, key: path(key)? })
    }

    /// Whether it comes from files, which are looked at now and then.
    pub(super) fn is_of_files(&self) -> bool {
        matches!(self, Self::CertificateFiles { .. } | Self::RootsFile(_))
    }
}

/// A secret as it is sent.
#[derive(Clone, PartialEq)]
pub(super) struct Ready {
    pub(super) name: String,
    /// Follows the public part alone: versions stand in Envoy's config dump.
    pub(super) version: String,
    pub(super) body: Any,
}

/// The secret of a name, or `None` while it is not there.
///
/// # Errors
/// What is wrong with a file, with its path.
pub(super) async fn find(
    name: &str,
    wanted: &Wanted,
    current: Option<&WorkloadCertificate>,
) -> Result<Option<Ready>, String> {
    let kind = match (wanted, current) {
        (Wanted::Certificate | Wanted::Roots, None) => return Ok(None),
        (Wanted::Certificate, Some(current)) => {
            (current.chain.clone(), certificate(current.chain.as_bytes(), current.key.pem().as_bytes()))
        }
        (Wanted::Roots, Some(current)) => (current.roots.clone(), roots(current.roots.as_bytes())),
        (Wanted::CertificateFiles { certificate: chain, key }, _) => {
            let (chain, key) = (read(chain).await?, read(key).await?);
            (String::from_utf8_lossy(&chain).into_owned(), certificate(&chain, &key))
        }
        (Wanted::RootsFile(path), _) => {
            let text = read(path).await?;
            (String::from_utf8_lossy(&text).into_owned(), roots(&text))
        }
    };
    let (public, kind) = kind;
    let mut hasher = DefaultHasher::new();
    public.hash(&mut hasher);
    let body = any::pack(&Secret { name: name.to_owned(), r#type: Some(kind) });
    Ok(Some(Ready { name: name.to_owned(), version: format!("{:016x}", hasher.finish()), body }))
}

fn certificate(chain: &[u8], key: &[u8]) -> secret::Type {
    secret::Type::TlsCertificate(TlsCertificate {
        certificate_chain: Some(inline(chain)),
        private_key: Some(inline(key)),
        ..TlsCertificate::default()
    })
}

fn roots(text: &[u8]) -> secret::Type {
    secret::Type::ValidationContext(CertificateValidationContext {
        trusted_ca: Some(inline(text)),
        ..CertificateValidationContext::default()
    })
}

fn inline(bytes: &[u8]) -> DataSource {
    DataSource { specifier: Some(Specifier::InlineBytes(bytes.to_vec())), ..DataSource::default() }
}

async fn read(path: &Path) -> Result<Vec<u8>, String> {
    use tokio::io::AsyncReadExt as _;
    let failed = |error: std::io::Error| format!("{}: {error}", path.display());
    let mut bytes = Vec::new();
    let file = tokio::fs::File::open(path).await.map_err(failed)?;
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).await.map_err(failed)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(format!("{}: longer than {MAX_FILE_BYTES} bytes", path.display()));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_istios() {
        assert_eq!(Wanted::parse("default"), Some(Wanted::Certificate));
        assert_eq!(Wanted::parse("ROOTCA"), Some(Wanted::Roots));
        assert_eq!(Wanted::parse("file-root:/a/ca.pem"), Some(Wanted::RootsFile("/a/ca.pem".into())));
        let files = Wanted::CertificateFiles { certificate: "/a/cert.pem".into(), key: "/a/key.pem".into() };
        assert_eq!(Wanted::parse("file-cert:/a/cert.pem~/a/key.pem"), Some(files));
        for other in [
            "",
            "Default",
            "file-root:",
            "file-cert:/a",
            "file-cert:/a~",
            "file-cert:a~b~c",
            "kubernetes://x",
        ] {
            assert_eq!(Wanted::parse(other), None, "{other}");
        }
    }
}
