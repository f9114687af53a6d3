//! An authority from the user's own files.

use std::time::SystemTime;

use rcgen::KeyPair;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::SectionKind;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::ParsedExtension;
use x509_parser::prelude::FromDer;
use x509_parser::revocation_list::CertificateRevocationList;

use crate::authority::{Authority, Policy, public_key};
use crate::csr::check_key;
use crate::error::{Fault, LoadError};
use crate::lifetime::Lifetime;
use crate::profile::{self, CLOCK_SKEW};
use crate::signer::Signer;
use crate::{pem, trust};

/// Longest file, bytes.
pub const MAX_FILE_BYTES: usize = 1024 * 1024;
/// Most certificates between a leaf and its root; the verifier looks no further either.
pub const MAX_CHAIN_CERTIFICATES: usize = 6;
/// Most roots in a bundle.
pub const MAX_ROOTS: usize = 64;

/// A file: what errors call it, and what is in it.
#[derive(Clone, Copy, Debug)]
pub struct PemFile<'f> {
    /// Name or path for errors.
    pub name: &'f str,
    /// Its content.
    pub text: &'f [u8],
}

/// The files of an authority, in Istio's `cacerts` layout. Source: CP-19.
#[derive(Clone, Copy)]
pub struct AuthorityFiles<'f> {
    /// `ca-cert.pem`: the authority's certificate. More certificates after it count as chain, as in
    /// `tls.crt` of a Kubernetes TLS secret.
    pub certificate: PemFile<'f>,
    /// `ca-key.pem`: its key; PKCS#8, PKCS#1 or SEC1; RSA or ECDSA.
    pub key: PemFile<'f>,
    /// `cert-chain.pem`: from the authority's certificate upward; it may name the authority itself and
    /// the root too, or be absent.
    pub chain: Option<PemFile<'f>>,
    /// `root-cert.pem`: the roots that workloads trust.
    pub roots: PemFile<'f>,
    /// `ca-crl.pem`: revocation lists, handed on to workloads.
    pub revocation_list: Option<PemFile<'f>>,
}

impl std::fmt::Debug for AuthorityFiles<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AuthorityFiles").field("certificate", &self.certificate.name).finish_non_exhaustive()
    }
}

impl Authority {
    /// Reads an authority from its files and proves that it works: key and certificate belong together, it
    /// may sign, everything is valid `now`, and what it signs leads to one of the roots.
    ///
    /// Roots that have expired are left out ([`Authority::left_out`]), as long as another serves.
    ///
    /// # Errors
    /// Names the file and what is wrong with it.
    pub fn from_pem(files: &AuthorityFiles<'_>, now: SystemTime) -> Result<Self, LoadError> {
        let mut own = certificates(files.certificate, MAX_CHAIN_CERTIFICATES + 1)?.into_iter();
        let certificate = own.next().ok_or_else(|| files.certificate.fault(Fault::NoCertificate))?;
        let parsed = parse(files.certificate, &certificate)?;
        let mut lifetime = check_authority(files.certificate, &parsed, now)?;
        check_key(parsed.public_key()).map_err(|fault| files.certificate.fault(Fault::Key(fault)))?;
        let key = read_key(files, &parsed)?;
        let key_id = subject_key_id(&parsed)
            .unwrap_or_else(|| rcgen::CertificateParams::default().key_identifier(&key));
        let signer = Signer::new(key, parsed.subject().as_raw().to_vec(), key_id);

        let mut above: Vec<(PemFile<'_>, CertificateDer<'static>)> = Vec::new();
        above.push((files.certificate, certificate.clone()));
        above.extend(own.map(|der| (files.certificate, der)));
        if let Some(file) = files.chain.filter(|file| !file.text.trim_ascii().is_empty()) {
            above.extend(certificates(file, MAX_CHAIN_CERTIFICATES + 1)?.into_iter().map(|der| (file, der)));
        }
        let mut intermediates: Vec<CertificateDer<'static>> = Vec::new();
        for (file, der) in above {
            let parsed = parse(file, &der)?;
            // Who signed himself is a root: workloads have it from the bundle.
            if parsed.subject().as_raw() == parsed.issuer().as_raw() || intermediates.contains(&der) {
                continue;
            }
            lifetime = lifetime.within(&check_authority(file, &parsed, now)?);
            intermediates.push(der);
        }
        if intermediates.len() > MAX_CHAIN_CERTIFICATES {
            let file = files.chain.unwrap_or(files.certificate);
            return Err(
                file.fault(Fault::TooMany { found: intermediates.len(), limit: MAX_CHAIN_CERTIFICATES })
            );
        }

        let (roots, left_out) = living_roots(files.roots, now)?;
        let ends = trusting_until(&signer, &intermediates, &roots, now).map_err(|fault| {
            files.certificate.fault(match fault {
                Trial::Signing(reason) => Fault::Signing(reason),
                Trial::Untrusted(reason) => Fault::Untrusted { roots: files.roots.name.to_owned(), reason },
            })
        })?;
        lifetime.until = lifetime.until.min(ends);
        Ok(Self {
            signer,
            certificate,
            intermediates,
            roots: roots.into_iter().map(|(der, _)| der).collect(),
            lifetime,
            revocation_list: files.revocation_list.map(revocation_list).transpose()?,
            left_out,
            policy: Policy::default(),
        })
    }
}

impl PemFile<'_> {
    fn fault(&self, fault: Fault) -> LoadError {
        LoadError { file: self.name.to_owned(), fault }
    }

    fn bounded(&self) -> Result<&[u8], LoadError> {
        if self.text.len() > MAX_FILE_BYTES {
            return Err(self.fault(Fault::TooLong { size: self.text.len(), limit: MAX_FILE_BYTES }));
        }
        Ok(self.text)
    }
}

fn certificates(file: PemFile<'_>, limit: usize) -> Result<Vec<CertificateDer<'static>>, LoadError> {
    let found = pem::certificates(file.bounded()?).map_err(|reason| file.fault(Fault::Malformed(reason)))?;
    match found.len() {
        0 => Err(file.fault(Fault::NoCertificate)),
        count if count > limit => Err(file.fault(Fault::TooMany { found: count, limit })),
        _ => Ok(found),
    }
}

fn parse<'d>(file: PemFile<'_>, der: &'d CertificateDer<'static>) -> Result<X509Certificate<'d>, LoadError> {
    match X509Certificate::from_der(der) {
        Ok(([], parsed)) => Ok(parsed),
        Ok(_) => Err(file.fault(Fault::Malformed("bytes after a certificate".to_owned()))),
        Err(error) => Err(file.fault(Fault::Malformed(format!("not an X.509 certificate: {error}")))),
    }
}

/// Checks that a certificate may sign others now.
fn check_authority(
    file: PemFile<'_>,
    certificate: &X509Certificate<'_>,
    now: SystemTime,
) -> Result<Lifetime, LoadError> {
    let subject = certificate.subject().to_string();
    let is_authority =
        certificate.basic_constraints().ok().flatten().is_some_and(|constraints| constraints.value.ca);
    if !is_authority {
        return Err(file.fault(Fault::NotAnAuthority { subject }));
    }
    if certificate.key_usage().ok().flatten().is_some_and(|usage| !usage.value.key_cert_sign()) {
        return Err(file.fault(Fault::MayNotSign { subject }));
    }
    let validity = certificate.validity();
    let lifetime = Lifetime::of(validity);
    if now > lifetime.until {
        return Err(file.fault(Fault::Expired { subject, at: validity.not_after.to_string() }));
    }
    if now.checked_add(CLOCK_SKEW).is_some_and(|late| late < lifetime.from) {
        return Err(file.fault(Fault::NotYetValid { subject, at: validity.not_before.to_string() }));
    }
    Ok(lifetime)
}

fn read_key(files: &AuthorityFiles<'_>, certificate: &X509Certificate<'_>) -> Result<KeyPair, LoadError> {
    let der = pem::private_key(files.key.bounded()?)
        .map_err(|reason| files.key.fault(Fault::Malformed(reason)))?
        .ok_or_else(|| files.key.fault(Fault::NoKey))?;
    let key = KeyPair::try_from(&der)
        .map_err(|_| files.key.fault(Fault::Key("a key of a kind that cannot be read".to_owned())))?;
    if public_key(&key) != certificate.public_key().raw {
        let certificate = files.certificate.name.to_owned();
        return Err(files.key.fault(Fault::KeyMismatch { certificate }));
    }
    Ok(key)
}

fn subject_key_id(certificate: &X509Certificate<'_>) -> Option<Vec<u8>> {
    certificate.extensions().iter().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::SubjectKeyIdentifier(id) => Some(id.0.to_vec()),
        _ => None,
    })
}

type Root = (CertificateDer<'static>, Lifetime);

/// The roots that are valid, and words about those that are not.
fn living_roots(file: PemFile<'_>, now: SystemTime) -> Result<(Vec<Root>, Vec<String>), LoadError> {
    let mut living: Vec<Root> = Vec::new();
    let mut faults = Vec::new();
    for der in certificates(file, MAX_ROOTS)? {
        let verdict = check_authority(file, &parse(file, &der)?, now);
        match verdict {
            Ok(_) if living.iter().any(|(other, _)| *other == der) => {}
            Ok(lifetime) => living.push((der, lifetime)),
            Err(error) if matches!(error.fault, Fault::Expired { .. }) => faults.push(error),
            Err(error) => return Err(error),
        }
    }
    match faults.first() {
        Some(fault) if living.is_empty() => Err(fault.clone()),
        _ => Ok((living, faults.iter().map(ToString::to_string).collect())),
    }
}

enum Trial {
    Signing(String),
    Untrusted(String),
}

/// Signs a certificate on trial and asks the verifier, root by root; returns when the last root that takes
/// it ends.
fn trusting_until(
    signer: &Signer,
    intermediates: &[CertificateDer<'static>],
    roots: &[Root],
    now: SystemTime,
) -> Result<SystemTime, Trial> {
    let lifetime = profile::starting(now, CLOCK_SKEW);
    let params = profile::workload(None, &lifetime).map_err(Trial::Signing)?;
    let leaf = signer.sign(&params, signer.key()).map_err(Trial::Signing)?;
    let mut ends = None;
    let mut refusal = "there is no root".to_owned();
    for (root, lifetime) in roots {
        match trust::check(&leaf, intermediates, std::slice::from_ref(root), now) {
            Ok(()) => ends = ends.max(Some(lifetime.until)),
            Err(reason) => refusal = reason,
        }
    }
    ends.ok_or(Trial::Untrusted(refusal))
}

fn revocation_list(file: PemFile<'_>) -> Result<String, LoadError> {
    let malformed = |reason: String| file.fault(Fault::Malformed(reason));
    let lists = pem::sections(SectionKind::Crl, file.bounded()?).map_err(malformed)?;
    if lists.is_empty() {
        return Err(file.fault(Fault::NoRevocationList));
    }
    let mut text = String::new();
    for der in lists {
        CertificateRevocationList::from_der(&der)
            .map_err(|error| malformed(format!("not a revocation list: {error}")))?;
        text.push_str(&pem::encode("X509 CRL", &der));
    }
    Ok(text)
}
