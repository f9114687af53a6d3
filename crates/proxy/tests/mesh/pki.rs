//! Certificates of a mesh.

use std::path::{Path, PathBuf};

use rcgen::string::Ia5String;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType};

/// Where a workload's material lies.
pub(crate) struct Files {
    pub(crate) chain: PathBuf,
    pub(crate) key: PathBuf,
    pub(crate) roots: PathBuf,
}

/// Writes a root, and a certificate for each service account of the namespace `shop`.
pub(crate) fn issue(folder: &Path, accounts: &[&str]) -> Vec<Files> {
    let mut params = CertificateParams::default();
    // Without names of their own all would pass for issued by themselves.
    params.distinguished_name.push(DnType::CommonName, "root");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let key = KeyPair::generate().unwrap();
    let roots = folder.join("roots.pem");
    std::fs::write(&roots, params.self_signed(&key).unwrap().pem()).unwrap();
    let issuer = Issuer::new(params, key);
    let write = |name: String, text: String| {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    accounts
        .iter()
        .map(|account| {
            let mut params = CertificateParams::default();
            params.distinguished_name.push(DnType::CommonName, *account);
            let id = format!("spiffe://cluster.local/ns/shop/sa/{account}");
            params.subject_alt_names = vec![SanType::URI(Ia5String::try_from(id).unwrap())];
            let key = KeyPair::generate().unwrap();
            let chain = params.signed_by(&key, &issuer).unwrap().pem();
            Files {
                chain: write(format!("{account}.pem"), chain),
                key: write(format!("{account}.key"), key.serialize_pem()),
                roots: roots.clone(),
            }
        })
        .collect()
}
