//! Certificates of a run, made when it starts: nothing secret is kept in the repository.
//!
//! | name | what |
//! |---|---|
//! | `ca`, `other-ca` | two roots that do not know each other |
//! | `server` | DNS server.test, *.weft.test, and spiffe://cluster.local/ns/default/sa/server |
//! | `other-server` | DNS other.test |
//! | `client-a`, `client-b` | spiffe://cluster.local/ns/default/sa/a and …/b |
//! | `rogue` | the identity of `client-a`, signed by `other-ca` |
//! | `rogue-server` | the names of `server`, signed by `other-ca` |
//! | `expired`, `expired-server` | `client-a` and `server`, out of date since 2020 |

use anyhow::{Context, Result};
use rcgen::string::Ia5String;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType, date_time_ymd,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::path::{Path, PathBuf};

/// A folder with `<name>.pem` and `<name>.key` for each name of the table above.
#[derive(Debug)]
pub struct Certs {
    dir: tempfile::TempDir,
}

struct Leaf {
    name: &'static str,
    root: &'static str,
    dns: &'static [&'static str],
    uri: Option<&'static str>,
    expired: bool,
}

const fn leaf(name: &'static str, dns: &'static [&'static str], uri: Option<&'static str>) -> Leaf {
    Leaf { name, root: "ca", dns, uri, expired: false }
}

const SERVER_NAMES: &[&str] = &["server.test", "*.weft.test"];
const SERVER_URI: Option<&str> = Some("spiffe://cluster.local/ns/default/sa/server");
const A_URI: Option<&str> = Some("spiffe://cluster.local/ns/default/sa/a");
const LEAVES: [Leaf; 8] = [
    leaf("server", SERVER_NAMES, SERVER_URI),
    leaf("other-server", &["other.test"], None),
    leaf("client-a", &[], A_URI),
    leaf("client-b", &[], Some("spiffe://cluster.local/ns/default/sa/b")),
    Leaf { root: "other-ca", ..leaf("rogue", &[], A_URI) },
    Leaf { root: "other-ca", ..leaf("rogue-server", SERVER_NAMES, SERVER_URI) },
    Leaf { expired: true, ..leaf("expired", &[], A_URI) },
    Leaf { expired: true, ..leaf("expired-server", SERVER_NAMES, SERVER_URI) },
];

impl Certs {
    /// Makes all of them.
    ///
    /// # Errors
    /// When a key cannot be made or a file cannot be written.
    pub fn make() -> Result<Self> {
        let dir = tempfile::tempdir().context("folder for certificates")?;
        for root in ["ca", "other-ca"] {
            let key = KeyPair::generate()?;
            let mut params = CertificateParams::new(Vec::<String>::new())?;
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
            params.distinguished_name.push(DnType::CommonName, root);
            let cert = params.self_signed(&key)?;
            write(dir.path(), root, &cert.pem(), &key)?;
            let issuer = Issuer::new(params, key);
            for leaf in LEAVES.iter().filter(|leaf| leaf.root == root) {
                sign(dir.path(), leaf, &issuer)?;
            }
        }
        Ok(Certs { dir })
    }

    /// PEM file of a certificate.
    pub fn cert(&self, name: &str) -> PathBuf {
        self.dir.path().join(format!("{name}.pem"))
    }

    /// PEM file of its key.
    pub fn key(&self, name: &str) -> PathBuf {
        self.dir.path().join(format!("{name}.key"))
    }

    /// The chain and key of `name` as rustls wants them.
    ///
    /// # Errors
    /// When there is no such certificate.
    pub fn identity(&self, name: &str) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)> {
        let cert =
            CertificateDer::from_pem_file(self.cert(name)).with_context(|| format!("certificate {name}"))?;
        let key = PrivateKeyDer::from_pem_file(self.key(name)).with_context(|| format!("key {name}"))?;
        Ok((vec![cert], key))
    }

    /// A store that trusts the root `name`.
    ///
    /// # Errors
    /// When there is no such root.
    pub fn roots(&self, name: &str) -> Result<rustls::RootCertStore> {
        let mut store = rustls::RootCertStore::empty();
        store.add(CertificateDer::from_pem_file(self.cert(name)).with_context(|| format!("root {name}"))?)?;
        Ok(store)
    }
}

fn sign(dir: &Path, leaf: &Leaf, issuer: &Issuer<'_, KeyPair>) -> Result<()> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(leaf.dns.iter().map(ToString::to_string).collect::<Vec<_>>())?;
    params.distinguished_name.push(DnType::CommonName, leaf.name);
    if let Some(uri) = leaf.uri {
        params.subject_alt_names.push(SanType::URI(Ia5String::try_from(uri)?));
    }
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    if leaf.expired {
        params.not_before = date_time_ymd(2019, 1, 1);
        params.not_after = date_time_ymd(2020, 1, 1);
    }
    let cert = params.signed_by(&key, issuer)?;
    write(dir, leaf.name, &cert.pem(), &key)
}

fn write(dir: &Path, name: &str, pem: &str, key: &KeyPair) -> Result<()> {
    std::fs::write(dir.join(format!("{name}.pem")), pem)?;
    std::fs::write(dir.join(format!("{name}.key")), key.serialize_pem())?;
    Ok(())
}

/// The common name of a certificate's subject: its name in the table above.
pub fn name_of(cert: &CertificateDer<'_>) -> Option<String> {
    let (_, parsed) = x509_parser::parse_x509_certificate(cert).ok()?;
    let name = parsed.subject().iter_common_name().next()?.as_str().ok()?;
    Some(name.to_owned())
}
