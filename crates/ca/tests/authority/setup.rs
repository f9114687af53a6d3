//! Authorities, callers, and OpenSSL as a second opinion.

use std::process::Command;
use std::time::{Duration, SystemTime};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use tempfile::TempDir;
use weft_ca::authority::ROOT_VALIDITY;
use weft_ca::{Authority, AuthorityFiles, LoadError, PemFile};
use weft_types::SpiffeId;

pub(crate) const HOUR: Duration = Duration::from_secs(3600);
pub(crate) const DAY: Duration = Duration::from_secs(24 * 3600);

pub(crate) fn id(account: &str) -> SpiffeId {
    SpiffeId::parse(&format!("spiffe://cluster.local/ns/default/sa/{account}")).unwrap()
}

pub(crate) fn authority(now: SystemTime) -> Authority {
    Authority::self_signed("cluster.local", now, ROOT_VALIDITY).unwrap()
}

/// An authority's files as texts.
#[derive(Clone, Default)]
pub(crate) struct Files {
    pub(crate) certificate: String,
    pub(crate) key: String,
    pub(crate) chain: Option<String>,
    pub(crate) roots: String,
    pub(crate) revocation_list: Option<String>,
}

impl Files {
    pub(crate) fn load(&self, now: SystemTime) -> Result<Authority, LoadError> {
        let file = |name: &'static str, text: &'static str| PemFile { name, text: text.as_bytes() };
        let leak = |text: &String| -> &'static str { text.clone().leak() };
        Authority::from_pem(
            &AuthorityFiles {
                certificate: file("ca-cert.pem", leak(&self.certificate)),
                key: file("ca-key.pem", leak(&self.key)),
                chain: self.chain.as_ref().map(|text| file("cert-chain.pem", leak(text))),
                roots: file("root-cert.pem", leak(&self.roots)),
                revocation_list: self.revocation_list.as_ref().map(|text| file("ca-crl.pem", leak(text))),
            },
            now,
        )
    }
}

/// A node of somebody's own hierarchy.
pub(crate) struct Node {
    pub(crate) issuer: Issuer<'static, KeyPair>,
    pub(crate) pem: String,
}

pub(crate) fn ca_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

impl Node {
    pub(crate) fn root(params: CertificateParams) -> Self {
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    pub(crate) fn below(&self, mut params: CertificateParams) -> Self {
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().unwrap();
        let pem = params.signed_by(&key, &self.issuer).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    pub(crate) fn key_pem(&self) -> String {
        self.issuer.key().serialize_pem()
    }
}

/// A hierarchy in Istio's layout: a root, and an authority below it.
pub(crate) fn two_storeys() -> (Node, Node, Files) {
    let root = Node::root(ca_params("root"));
    let below = root.below(ca_params("below"));
    let files = Files {
        certificate: below.pem.clone(),
        key: below.key_pem(),
        chain: Some(format!("{}{}", below.pem, root.pem)),
        roots: root.pem.clone(),
        revocation_list: None,
    };
    (root, below, files)
}

/// A folder in which OpenSSL works.
pub(crate) struct OpenSsl(TempDir);

impl OpenSsl {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.0.path().join(name), text).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.0.path().join(name)).unwrap()
    }

    /// Runs `openssl` with words that hold no blanks; both outputs.
    pub(crate) fn run(&self, words: &str) -> String {
        let output =
            Command::new("openssl").args(words.split(' ')).current_dir(self.0.path()).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "openssl {words}: {text}{errors}");
        text + &errors
    }

    /// A CSR that asks for much more than it should get.
    pub(crate) fn greedy_csr(&self, key: &str) -> String {
        self.run(&format!(
            "req -new -newkey {key} -nodes -keyout key.pem -out csr.pem -subj /O=admins/CN=root \
             -addext subjectAltName=URI:spiffe://cluster.local/ns/kube-system/sa/admin,DNS:example.com \
             -addext basicConstraints=critical,CA:TRUE -addext keyUsage=keyCertSign"
        ));
        self.read("csr.pem")
    }

    /// Checks an answer of the authority as a server's and as a client's.
    pub(crate) fn verify(&self, answer: &[String]) {
        let (leaf, rest) = answer.split_first().unwrap();
        let (roots, between) = rest.split_last().unwrap();
        self.write("leaf.pem", leaf);
        self.write("between.pem", &between.concat());
        self.write("roots.pem", roots);
        let untrusted = if between.is_empty() { "" } else { "-untrusted between.pem " };
        for purpose in ["sslserver", "sslclient"] {
            let said = self.run(&format!(
                "verify -x509_strict -CAfile roots.pem {untrusted}-purpose {purpose} leaf.pem"
            ));
            assert!(said.contains("leaf.pem: OK"), "{said}");
        }
    }

    /// What OpenSSL says of the leaf that was verified last.
    pub(crate) fn leaf(&self) -> String {
        self.run(
            "x509 -in leaf.pem -noout -subject -serial -ext \
             subjectAltName,keyUsage,extendedKeyUsage,basicConstraints",
        )
    }
}

/// The only certificate in a text, parsed; tells the closure.
pub(crate) fn with_leaf<T>(text: &str, f: impl FnOnce(&x509_parser::prelude::X509Certificate<'_>) -> T) -> T {
    let (_, pem) = x509_parser::pem::parse_x509_pem(text.as_bytes()).unwrap();
    f(&pem.parse_x509().unwrap())
}

/// From when until when a leaf is valid, seconds since 1970.
pub(crate) fn validity(text: &str) -> (u64, u64) {
    with_leaf(text, |leaf| {
        let validity = leaf.validity();
        (
            validity.not_before.timestamp().try_into().unwrap(),
            validity.not_after.timestamp().try_into().unwrap(),
        )
    })
}

pub(crate) fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()
}
