//! The workload's own secrets: `default` and `ROOTCA` (SD-17). They never cross ADS (design 11.6).

use std::collections::BTreeSet;
use std::sync::Arc;

use weft_agent::identity::Identity;
use weft_ca::WorkloadCertificate;
use weft_tables::tls::{Secret, Validation};
use weft_types::Name;
use weft_types::random::SplitMix;

use super::{Dynamic, Source};
use crate::process::Process;

/// Certificate and key.
const CERTIFICATE: &str = "default";
/// The mesh's roots.
const ROOTS: &str = "ROOTCA";

/// The names that are answered here.
pub(super) fn names() -> BTreeSet<Name> {
    [CERTIFICATE.into(), ROOTS.into()].into()
}

/// Begins to obtain a certificate, if the source is one that gives some.
pub(super) fn obtain(source: &Source, seed: u64) -> Option<Identity> {
    match source {
        Source::Mesh(settings) => {
            Some(Identity::start(settings.identity(), SplitMix::new(seed.rotate_left(17))))
        }
        Source::Cluster { .. } => None,
    }
}

/// Puts each new certificate in force: it serves new connections, and ends none. The certificate is
/// renewed for as long as this runs.
pub(super) async fn follow(identity: Identity, process: Arc<Process>, dynamic: Dynamic) {
    let mut news = identity.certificates();
    loop {
        if let Some(certificate) = news.borrow_and_update().clone() {
            take(&process, &certificate);
            dynamic.secret_came();
        }
        if news.changed().await.is_err() {
            return;
        }
    }
}

fn take(process: &Process, certificate: &WorkloadCertificate) {
    let roots = Validation { roots: Some(certificate.roots.clone().into_bytes()), ..Validation::default() };
    let own = Secret::Certificate {
        chain: certificate.chain.clone().into_bytes(),
        key: certificate.key.pem().as_bytes().to_vec(),
    };
    let secrets =
        [(Name::from(ROOTS), Arc::new(Secret::Validation(roots))), (Name::from(CERTIFICATE), Arc::new(own))];
    process.secrets.set_all(secrets.iter().map(|(name, secret)| (name, secret)));
}
