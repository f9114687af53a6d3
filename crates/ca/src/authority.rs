//! An authority: a key, its certificate, and how both lead to a root.

use std::time::{Duration, SystemTime};

use rcgen::{KeyPair, PublicKeyData};
use rustls_pki_types::CertificateDer;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;
use zeroize::Zeroizing;

use crate::error::RenewError;
use crate::lifetime::Lifetime;
use crate::pem;
use crate::profile;
use crate::signer::Signer;

/// How long a root of ours lives. Source: Istio's self-signed root, 10 years.
pub const ROOT_VALIDITY: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// How long certificates of workloads live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// When the caller asks for nothing; default 24 h. Source: Istio's `DEFAULT_WORKLOAD_CERT_TTL`.
    pub default_validity: Duration,
    /// The longest that a caller may ask for; default 90 days. Source: Istio's `MAX_WORKLOAD_CERT_TTL`.
    pub max_validity: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        const DAY: Duration = Duration::from_secs(24 * 3600);
        Self { default_validity: DAY, max_validity: DAY * 90 }
    }
}

/// A certificate authority that is ready to issue.
///
/// Its own certificate may be the root, or be signed by others that lead to one. There may be several
/// roots, of which workloads trust all: so a mesh moves from one to another.
#[derive(Debug)]
pub struct Authority {
    pub(crate) signer: Signer,
    /// Its own certificate.
    pub(crate) certificate: CertificateDer<'static>,
    /// What a leaf carries along: its own certificate and those above it, without roots.
    pub(crate) intermediates: Vec<CertificateDer<'static>>,
    pub(crate) roots: Vec<CertificateDer<'static>>,
    /// When all of the chain is valid, its longest-living root included.
    pub(crate) lifetime: Lifetime,
    pub(crate) revocation_list: Option<String>,
    pub(crate) left_out: Vec<String>,
    pub(crate) policy: Policy,
}

impl Authority {
    /// Makes a new root: ECDSA P-256, `O=<trust domain>`, valid from
    /// [`CLOCK_SKEW`](crate::CLOCK_SKEW) before `now` for `validity` (by custom [`ROOT_VALIDITY`]).
    ///
    /// # Errors
    /// The cryptographic library failed.
    pub fn self_signed(trust_domain: &str, now: SystemTime, validity: Duration) -> Result<Self, RenewError> {
        let key = KeyPair::generate().map_err(|error| RenewError::Signing(error.to_string()))?;
        Self::root_of(key, trust_domain, now, validity)
    }

    fn root_of(
        key: KeyPair,
        trust_domain: &str,
        now: SystemTime,
        validity: Duration,
    ) -> Result<Self, RenewError> {
        let lifetime = profile::starting(now, validity);
        let params = profile::root(trust_domain, &lifetime).map_err(RenewError::Signing)?;
        let certificate: CertificateDer<'static> =
            params.self_signed(&key).map_err(|error| RenewError::Signing(error.to_string()))?.into();
        let unreadable = || RenewError::Signing("the new root cannot be read".to_owned());
        let (name, lifetime) = {
            let (_, parsed) = X509Certificate::from_der(&certificate).map_err(|_| unreadable())?;
            (parsed.subject().as_raw().to_vec(), Lifetime::of(parsed.validity()))
        };
        let key_id = params.key_identifier(&key);
        Ok(Self {
            signer: Signer::new(key, name, key_id),
            certificate: certificate.clone(),
            intermediates: Vec::new(),
            roots: vec![certificate],
            lifetime,
            revocation_list: None,
            left_out: Vec::new(),
            policy: Policy::default(),
        })
    }

    /// The same authority with a new root certificate: the same key and name, a new life.
    ///
    /// Since key and name stay, what was signed under the old root holds under the new one and the other
    /// way round; workloads that know only one of them keep understanding each other. The old root stays
    /// in the bundle until it expires.
    ///
    /// # Errors
    /// The authority is not its own root, or the cryptographic library failed.
    pub fn renewed(&self, now: SystemTime, validity: Duration) -> Result<Self, RenewError> {
        let trust_domain = self.own_trust_domain().ok_or(RenewError::NotOurs)?;
        let key = KeyPair::try_from(self.signer.key().serialized_der())
            .map_err(|error| RenewError::Signing(error.to_string()))?;
        let mut new = Self::root_of(key, &trust_domain, now, validity)?;
        if new.signer.name() != self.signer.name() || new.signer.key_id() != self.signer.key_id() {
            return Err(RenewError::NotOurs);
        }
        let lives = |root: &&CertificateDer<'static>| {
            X509Certificate::from_der(root)
                .is_ok_and(|(_, parsed)| Lifetime::of(parsed.validity()).until >= now)
        };
        new.roots.extend(self.roots.iter().filter(lives).cloned());
        new.revocation_list.clone_from(&self.revocation_list);
        new.policy = self.policy;
        Ok(new)
    }

    /// The trust domain in a root of the form that we make; `None` if the authority is not its own root.
    fn own_trust_domain(&self) -> Option<String> {
        let (_, own) = X509Certificate::from_der(&self.certificate).ok()?;
        let is_root = own.subject().as_raw() == own.issuer().as_raw();
        let organization = own.subject().iter_organization().next()?.as_str().ok()?.to_owned();
        is_root.then_some(organization)
    }

    /// The same authority with other lives of certificates.
    #[must_use]
    pub fn with_policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// How long certificates of workloads live.
    #[must_use]
    pub fn policy(&self) -> Policy {
        self.policy
    }

    /// When the whole chain is valid; no certificate is issued that ends later.
    #[must_use]
    pub fn lifetime(&self) -> Lifetime {
        self.lifetime
    }

    /// Its own certificate, PEM (`ca-cert.pem`).
    #[must_use]
    pub fn certificate_pem(&self) -> String {
        pem::certificate(&self.certificate)
    }

    /// Its key, PEM (`ca-key.pem`); wiped when dropped.
    #[must_use]
    pub fn key_pem(&self) -> Zeroizing<String> {
        self.signer.key_pem()
    }

    /// What its certificates carry along, PEM (`cert-chain.pem`); empty if it is itself the root.
    #[must_use]
    pub fn chain_pem(&self) -> String {
        pem::bundle(&self.intermediates)
    }

    /// The roots that workloads trust, PEM (`root-cert.pem`): the newest of ours first.
    #[must_use]
    pub fn roots_pem(&self) -> String {
        pem::bundle(&self.roots)
    }

    /// The revocation list for workloads, PEM (`ca-crl.pem`).
    #[must_use]
    pub fn revocation_list_pem(&self) -> Option<&str> {
        self.revocation_list.as_deref()
    }

    /// What of the files is not used, and why: roots that have expired.
    #[must_use]
    pub fn left_out(&self) -> &[String] {
        &self.left_out
    }

    pub(crate) fn signer(&self) -> &Signer {
        &self.signer
    }

    pub(crate) fn intermediates(&self) -> &[CertificateDer<'static>] {
        &self.intermediates
    }
}

/// The public key of a key pair as it stands in certificates, DER.
pub(crate) fn public_key(key: &KeyPair) -> Vec<u8> {
    key.subject_public_key_info()
}
