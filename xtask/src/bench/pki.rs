//! Certificates of a mesh, made for each run: P-256, with SPIFFE names and those of hosts.

use super::ground::Ground;
use anyhow::{Context, Result};
use rcgen::string::Ia5String;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType};
use std::path::Path;

/// Where a workload's material lies.
#[derive(Debug)]
pub(super) struct Files {
    pub(super) chain: String,
    pub(super) key: String,
    /// Certificate and key in one file.
    pub(super) both: String,
    pub(super) roots: String,
}

/// The material of a service account of the namespace `shop`, made at its first use; so is the root.
///
/// # Errors
/// When files cannot be read or written.
pub(super) fn issue(ground: &Ground, account: &str) -> Result<Files> {
    let roots = ground.path("roots.pem");
    let issuer = if Path::new(&roots).exists() {
        let text = std::fs::read_to_string(ground.path("root.key")).context("the root's key")?;
        Issuer::new(root(), KeyPair::from_pem(&text)?)
    } else {
        let key = KeyPair::generate()?;
        ground.write("roots.pem", &root().self_signed(&key)?.pem())?;
        ground.write("root.key", &key.serialize_pem())?;
        Issuer::new(root(), key)
    };
    let name = |ending: &str| format!("{account}.{ending}");
    let files = Files {
        chain: ground.path(&name("pem")),
        key: ground.path(&name("key")),
        both: ground.path(&name("both.pem")),
        roots,
    };
    if !Path::new(&files.both).exists() {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, account);
        let id = format!("spiffe://cluster.local/ns/shop/sa/{account}");
        let host = format!("{account}.shop.svc.cluster.local");
        params.subject_alt_names =
            vec![SanType::URI(Ia5String::try_from(id)?), SanType::DnsName(Ia5String::try_from(host)?)];
        let key = KeyPair::generate()?;
        let (chain, key) = (params.signed_by(&key, &issuer)?.pem(), key.serialize_pem());
        ground.write(&name("pem"), &chain)?;
        ground.write(&name("key"), &key)?;
        ground.write(&name("both.pem"), &(chain + &key))?;
    }
    Ok(files)
}

fn root() -> CertificateParams {
    let mut params = CertificateParams::default();
    // Without names of their own all would pass for issued by themselves.
    params.distinguished_name.push(DnType::CommonName, "root");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params
}
