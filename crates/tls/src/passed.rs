//! Chains that passed the check, and what their leaves say.
//!
//! Peers come again with the certificate that they had: the signatures of their issuers need no second
//! check by the same roots, and their names no second reading. Time goes on, so what passed is only taken
//! while every certificate of the chain is valid; the peer's own signature is checked at each handshake.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::digest::{Context, SHA256};
use rustls::pki_types::{CertificateDer, UnixTime};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::certificate::Certificate;

/// Chains that are remembered; one more drives one out.
const CHAINS_MAX: usize = 256;

/// What is known of a chain that passed.
#[derive(Clone, Debug)]
struct Known {
    /// When all of its certificates are valid, seconds since 1970.
    valid: (i64, i64),
    leaf: Option<Arc<Certificate>>,
}

/// The chains that one state of roots has let pass.
#[derive(Debug, Default)]
pub(crate) struct Passed {
    chains: Mutex<HashMap<[u8; 32], Known>>,
}

impl Passed {
    /// Whether that very chain passed, and all of it is valid at `now`.
    pub(crate) fn has(&self, key: &[u8; 32], now: UnixTime) -> bool {
        let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        self.lock().get(key).is_some_and(|known| (known.valid.0..=known.valid.1).contains(&now))
    }

    /// What the leaf of a chain that passed says.
    pub(crate) fn leaf(&self, key: &[u8; 32]) -> Option<Arc<Certificate>> {
        self.lock().get(key)?.leaf.clone()
    }

    /// Notes that the chain passed.
    pub(crate) fn note(&self, key: [u8; 32], leaf: &CertificateDer<'_>, others: &[CertificateDer<'_>]) {
        let mut valid = (i64::MIN, i64::MAX);
        let mut chain = Vec::with_capacity(1 + others.len());
        for der in std::iter::once(leaf).chain(others) {
            // Of what cannot be read nobody knows how long it is valid.
            let Ok((_, parsed)) = X509Certificate::from_der(der) else { return };
            let this = parsed.validity();
            valid = (valid.0.max(this.not_before.timestamp()), valid.1.min(this.not_after.timestamp()));
            chain.push(der.clone());
        }
        let leaf = Certificate::of_chain(&chain).map(Arc::new);
        let mut chains = self.lock();
        if chains.len() >= CHAINS_MAX
            && !chains.contains_key(&key)
            && let Some(any) = chains.keys().next().copied()
        {
            chains.remove(&any);
        }
        chains.insert(key, Known { valid, leaf });
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<[u8; 32], Known>> {
        self.chains.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a chain is known by: a hash of all of it.
pub(crate) fn key(leaf: &CertificateDer<'_>, others: &[CertificateDer<'_>]) -> [u8; 32] {
    let mut hash = Context::new(&SHA256);
    for der in std::iter::once(leaf).chain(others) {
        // With the length first, no chain reads like another one.
        hash.update(&(der.len() as u64).to_be_bytes());
        hash.update(der);
    }
    let mut key = [0; 32];
    key.copy_from_slice(hash.finish().as_ref());
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_bounded_and_time_counts() {
        let leaf = rcgen::generate_simple_self_signed(vec!["a.example".to_owned()]).unwrap();
        let der = leaf.cert.der();
        let passed = Passed::default();
        for at in 0..2 * CHAINS_MAX {
            let mut key = [0; 32];
            key[..8].copy_from_slice(&at.to_be_bytes());
            passed.note(key, der, &[]);
        }
        assert_eq!(passed.lock().len(), CHAINS_MAX);
        let key = key(der, &[]);
        passed.note(key, der, &[]);
        let at = |seconds| UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds));
        assert!(passed.has(&key, at(1_800_000_000)));
        // The generator's certificates are valid from 1975 to 4096.
        assert!(!passed.has(&key, at(0)) && !passed.has(&key, at(100_000_000_000)));
        assert_eq!(passed.leaf(&key).unwrap().dns_sans, ["a.example"]);
    }

    #[test]
    fn where_one_certificate_ends_is_part_of_the_key() {
        let (one, two) = (CertificateDer::from(vec![1, 2]), CertificateDer::from(vec![3]));
        let (other, rest) = (CertificateDer::from(vec![1]), CertificateDer::from(vec![2, 3]));
        assert_ne!(key(&one, &[two]), key(&other, &[rest]));
    }
}
