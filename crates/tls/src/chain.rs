//! Building and judging a chain, and saying what is wrong with it in OpenSSL's words.

use std::time::Duration;

use rustls::CertificateError;
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::pki_types::{CertificateDer, UnixTime};
use webpki::{
    CertRevocationList, EndEntityCert, Error, ExpirationPolicy, KeyUsage, RevocationCheckDepth,
    RevocationOptionsBuilder, UnknownStatusPolicy,
};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::material::Roots;
use crate::passed::{self, Passed};

/// Times at which a chain with expired parts is tried.
const TIMES_MAX: usize = 8;

/// What a chain is judged by.
#[derive(Debug)]
pub(crate) struct ChainPolicy {
    pub(crate) roots: Roots,
    pub(crate) revocation: Vec<CertRevocationList<'static>>,
    pub(crate) allow_expired: bool,
    /// Chains that passed and would pass again.
    pub(crate) passed: Passed,
}

/// What the certificate is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Server,
    Client,
}

/// Why a chain is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainError {
    /// Which certificate: 0 is the leaf.
    pub depth: usize,
    /// OpenSSL's words for it.
    pub reason: &'static str,
}

impl ChainPolicy {
    /// Whether the chain leads to one of the roots; else the reason, and the error that tells the
    /// peer.
    pub(crate) fn check(
        &self,
        role: Role,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        algorithms: &WebPkiSupportedAlgorithms,
        now: UnixTime,
    ) -> Result<(), (ChainError, CertificateError)> {
        // Lists of revoked certificates have times of their own, and expired chains have none.
        let key =
            (self.revocation.is_empty() && !self.allow_expired).then(|| passed::key(leaf, intermediates));
        if key.as_ref().is_some_and(|key| self.passed.has(key, now)) {
            return Ok(());
        }
        // A leaf that is itself trusted needs no chain; OpenSSL takes it, and self-signed servers
        // are trusted that way.
        let outcome = if self.roots.certificates.iter().any(|root| root == leaf) {
            self.check_validity(leaf, now)
        } else {
            self.check_path(role, leaf, intermediates, algorithms, now)
        };
        if outcome.is_ok()
            && let Some(key) = key
        {
            self.passed.note(key, leaf, intermediates);
        }
        outcome.map_err(|error| {
            let (reason, code) = words(&error, leaf, intermediates);
            let depth = match error {
                Error::CertExpired { .. } | Error::CertNotValidYet { .. } => {
                    out_of_time(leaf, intermediates, now)
                }
                Error::UnknownIssuer => path(leaf, intermediates).len().saturating_sub(1),
                _ => 0,
            };
            (ChainError { depth, reason }, code)
        })
    }

    fn check_path(
        &self,
        role: Role,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        algorithms: &WebPkiSupportedAlgorithms,
        now: UnixTime,
    ) -> Result<(), Error> {
        let parsed = EndEntityCert::try_from(leaf)?;
        let lists: Vec<_> = self.revocation.iter().collect();
        let usage = || match role {
            Role::Server => KeyUsage::server_auth(),
            Role::Client => KeyUsage::client_auth(),
        };
        let mut time = now;
        for _ in 0..TIMES_MAX {
            let revocation = RevocationOptionsBuilder::new(&lists).ok().map(|builder| {
                builder
                    .with_depth(RevocationCheckDepth::Chain)
                    .with_status_policy(UnknownStatusPolicy::Deny)
                    .with_expiration_policy(ExpirationPolicy::Enforce)
                    .build()
            });
            let anchors = &self.roots.anchors;
            let outcome = parsed.verify_for_usage(
                algorithms.all,
                anchors,
                intermediates,
                time,
                usage(),
                revocation,
                None,
            );
            match outcome {
                Ok(_) => return Ok(()),
                // Tried again at a time at which the offending certificate was valid.
                Err(Error::CertExpired { not_after, .. }) if self.allow_expired && not_after != time => {
                    time = not_after;
                }
                Err(Error::CertNotValidYet { not_before, .. })
                    if self.allow_expired && not_before != time =>
                {
                    time = not_before;
                }
                Err(error) => return Err(error),
            }
        }
        Err(Error::InvalidCertValidity)
    }

    fn check_validity(&self, leaf: &CertificateDer<'_>, now: UnixTime) -> Result<(), Error> {
        let Some((from, to)) = validity(leaf) else { return Err(Error::BadDer) };
        let time = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        let at = |seconds: i64| {
            UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(seconds).unwrap_or_default()))
        };
        if self.allow_expired || (from..=to).contains(&time) {
            Ok(())
        } else if time > to {
            Err(Error::CertExpired { time: now, not_after: at(to) })
        } else {
            Err(Error::CertNotValidYet { time: now, not_before: at(from) })
        }
    }
}

fn validity(der: &CertificateDer<'_>) -> Option<(i64, i64)> {
    let (_, parsed) = X509Certificate::from_der(der).ok()?;
    let validity = parsed.validity();
    Some((validity.not_before.timestamp(), validity.not_after.timestamp()))
}

/// The chain from the leaf upward as far as the presented certificates go.
fn path<'c>(leaf: &'c CertificateDer<'c>, others: &'c [CertificateDer<'c>]) -> Vec<X509Certificate<'c>> {
    let parse = |der: &'c CertificateDer<'c>| X509Certificate::from_der(der).ok().map(|(_, parsed)| parsed);
    let mut path: Vec<_> = parse(leaf).into_iter().collect();
    let mut unused: Vec<_> = others.iter().filter_map(parse).collect();
    while let Some(last) = path.last() {
        let issuer = last.issuer().as_raw();
        let Some(at) = unused.iter().position(|c| c.subject().as_raw() == issuer) else { break };
        let next = unused.swap_remove(at);
        path.push(next);
    }
    path
}

/// The uppermost certificate of the path that is not valid now.
fn out_of_time(leaf: &CertificateDer<'_>, others: &[CertificateDer<'_>], now: UnixTime) -> usize {
    let time = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    let path = path(leaf, others);
    let bad = path.iter().rposition(|c| {
        let validity = c.validity();
        !(validity.not_before.timestamp()..=validity.not_after.timestamp()).contains(&time)
    });
    bad.unwrap_or_default()
}

fn words(
    error: &Error,
    leaf: &CertificateDer<'_>,
    others: &[CertificateDer<'_>],
) -> (&'static str, CertificateError) {
    match error {
        Error::CertExpired { .. } | Error::InvalidCertValidity => {
            ("certificate has expired", CertificateError::Expired)
        }
        Error::CertNotValidYet { .. } => ("certificate is not yet valid", CertificateError::NotValidYet),
        Error::UnknownIssuer => (unknown_issuer(leaf, others), CertificateError::UnknownIssuer),
        Error::CertRevoked => ("certificate revoked", CertificateError::Revoked),
        Error::UnknownRevocationStatus => {
            ("unable to get certificate CRL", CertificateError::UnknownRevocationStatus)
        }
        Error::CrlExpired { .. } => ("CRL has expired", CertificateError::ExpiredRevocationList),
        Error::InvalidSignatureForPublicKey => {
            ("certificate signature failure", CertificateError::BadSignature)
        }
        Error::RequiredEkuNotFoundContext(_) | Error::EmptyEkuExtension => {
            ("unsupported certificate purpose", CertificateError::InvalidPurpose)
        }
        Error::CaUsedAsEndEntity => ("CA certificate used as end entity", CertificateError::InvalidPurpose),
        Error::EndEntityUsedAsCa => ("invalid CA certificate", CertificateError::UnknownIssuer),
        Error::PathLenConstraintViolated => {
            ("path length constraint exceeded", CertificateError::UnknownIssuer)
        }
        Error::NameConstraintViolation => ("permitted subtree violation", CertificateError::UnknownIssuer),
        Error::MaximumPathDepthExceeded
        | Error::MaximumPathBuildCallsExceeded
        | Error::MaximumSignatureChecksExceeded
        | Error::MaximumNameConstraintComparisonsExceeded => {
            ("certificate chain too long", CertificateError::UnknownIssuer)
        }
        Error::UnsupportedCriticalExtension => {
            ("unhandled critical extension", CertificateError::UnhandledCriticalExtension)
        }
        Error::BadDer | Error::BadDerTime | Error::TrailingData(_) => {
            ("certificate cannot be read", CertificateError::BadEncoding)
        }
        _ => ("certificate not acceptable", CertificateError::BadEncoding),
    }
}

fn unknown_issuer(leaf: &CertificateDer<'_>, others: &[CertificateDer<'_>]) -> &'static str {
    let path = path(leaf, others);
    match path.last() {
        Some(last) if last.subject().as_raw() == last.issuer().as_raw() => {
            if path.len() == 1 {
                "self signed certificate"
            } else {
                "self signed certificate in certificate chain"
            }
        }
        _ => "unable to get local issuer certificate",
    }
}
