//! Whose certificate passes and whose does not, and what is said about it.

use weft_tables::tls::{SanKind, TlsVersion, Validation, ValidationSource};
use weft_tls::{ConnectOptions, ContextError, HandshakeError, ServerAcceptor};

use crate::pki::{Authority, Leaf, LeafSpec, self_signed, workload};
use crate::setup::{acceptor, checked, client, connector, matcher, meet, server, trusting};

const PREFIX: &str = "TLS_error:|268435581:SSL_routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED:\
                      verify_cert_failed:_";

/// What a client that checks by `validation` says of a server with that certificate: `None` if fine.
async fn refusal(validation: Validation, leaf: &Leaf) -> Option<String> {
    let ours = connector(&client(&[], checked(validation)));
    let theirs = acceptor(&server(&[leaf], ValidationSource::None));
    match meet(&theirs, &ours, ConnectOptions::default()).await.client {
        Ok(facts) => {
            assert!(facts.presented());
            None
        }
        Err(error @ HandshakeError::Refused(_)) => {
            let reason = error.reason();
            let detail = reason.strip_prefix(PREFIX).and_then(|r| r.strip_suffix(":TLS_error_end"));
            Some(detail.unwrap_or_else(|| panic!("{reason}")).to_owned())
        }
        Err(other) => panic!("{other}"),
    }
}

fn at(depth: usize, reason: &str) -> Option<String> {
    Some(format!("X509_verify_cert:_certificate_verification_error_at_depth_{depth}:_{reason}"))
}

#[tokio::test]
async fn chains() {
    let root = Authority::root("Root");
    let other = Authority::root("Other");
    let between = root.intermediate("Between");
    let good = workload(&root, "a");
    assert_eq!(refusal(trusting(&root), &good).await, None);
    assert_eq!(refusal(trusting(&root), &workload(&between, "a")).await, None);
    // An intermediate may be the one that is trusted.
    assert_eq!(refusal(trusting(&between), &workload(&between, "a")).await, None);
    assert_eq!(refusal(trusting(&other), &good).await, at(0, "unable_to_get_local_issuer_certificate"));
    let through = workload(&between, "a");
    assert_eq!(refusal(trusting(&other), &through).await, at(1, "unable_to_get_local_issuer_certificate"));
    let whole = Leaf { chain: format!("{}{}", through.chain, root.pem), key: through.key };
    assert_eq!(
        refusal(trusting(&other), &whole).await,
        at(2, "self_signed_certificate_in_certificate_chain")
    );
    let own = self_signed("good.example");
    assert_eq!(refusal(trusting(&root), &own).await, at(0, "self_signed_certificate"));
    // A certificate that is itself among the trusted ones.
    let trusted = Validation { roots: Some(own.chain.clone().into()), ..Validation::default() };
    assert_eq!(refusal(trusted, &own).await, None);
    // Without roots nothing is verified.
    assert_eq!(refusal(Validation::default(), &own).await, None);
}

#[tokio::test]
async fn times() {
    let root = Authority::root("Root");
    let leaf =
        |years| root.leaf(&LeafSpec { dns: &["good.example"], years: Some(years), ..LeafSpec::default() });
    let lenient = || Validation { allow_expired: true, ..trusting(&root) };
    let expired = leaf((2001, 2002));
    assert_eq!(refusal(trusting(&root), &expired).await, at(0, "certificate_has_expired"));
    assert_eq!(refusal(lenient(), &expired).await, None);
    let future = leaf((3001, 3002));
    assert_eq!(refusal(trusting(&root), &future).await, at(0, "certificate_is_not_yet_valid"));
    assert_eq!(refusal(lenient(), &future).await, None);
    // Lenient about time is not lenient about trust.
    let other = Validation { allow_expired: true, ..trusting(&Authority::root("Other")) };
    assert!(refusal(other, &expired).await.is_some());
}

#[tokio::test]
async fn names() {
    let root = Authority::root("Root");
    let leaf = root.leaf(&LeafSpec {
        uris: &["spiffe://cluster.local/ns/a/sa/b"],
        dns: &["good.example", "*.wild.example"],
        ips: &["10.1.2.3"],
        emails: &["a@b.example"],
        ..LeafSpec::default()
    });
    let with = |kind, name: &str| Validation { san_matchers: vec![matcher(kind, name)], ..trusting(&root) };
    for (kind, name) in [
        (SanKind::Uri, "spiffe://cluster.local/ns/a/sa/b"),
        (SanKind::Dns, "good.example"),
        (SanKind::Dns, "x.wild.example"),
        (SanKind::Ip, "10.1.2.3"),
        (SanKind::Email, "a@b.example"),
        (SanKind::Any, "10.1.2.3"),
    ] {
        assert_eq!(refusal(with(kind, name), &leaf).await, None, "{kind:?} {name}");
    }
    for (kind, name) in [
        (SanKind::Uri, "good.example"),
        (SanKind::Dns, "x.y.wild.example"),
        (SanKind::Dns, "spiffe://cluster.local/ns/a/sa/b"),
        (SanKind::Any, "else.example"),
    ] {
        assert_eq!(
            refusal(with(kind, name), &leaf).await.unwrap(),
            "SAN_matcher,_certificate_SANs_are_[spiffe://cluster.local/ns/a/sa/b,_good.example,_*.wild.example,\
             _10.1.2.3,_a@b.example]",
            "{kind:?} {name}"
        );
    }
    // A matcher without roots would believe anybody.
    let blind = Validation { san_matchers: vec![matcher(SanKind::Any, "x")], ..Validation::default() };
    let error = ServerAcceptor::new(&server(&[&leaf], checked(blind)), &|_| None).unwrap_err();
    assert!(matches!(error, ContextError::NamesWithoutRoots), "{error}");
}

#[tokio::test]
async fn hashes() {
    let leaf = self_signed("good.example");
    let ours = connector(&client(&[], ValidationSource::None));
    let theirs = acceptor(&server(&[&leaf], ValidationSource::None));
    let facts = meet(&theirs, &ours, ConnectOptions::default()).await.client.unwrap();
    assert!(!facts.validated, "nothing to validate it by");
    let seen = facts.certificate.unwrap();
    let by_hash = Validation { certificate_hashes: vec![[7; 32], seen.sha256], ..Validation::default() };
    assert_eq!(refusal(by_hash, &leaf).await, None);
    let by_key = Validation {
        certificate_hashes: vec![[7; 32]],
        spki_hashes: vec![seen.spki_sha256],
        ..Validation::default()
    };
    assert_eq!(refusal(by_key, &leaf).await, None, "either will do");
    let neither = Validation { spki_hashes: vec![[7; 32]], ..Validation::default() };
    assert_eq!(refusal(neither, &leaf).await.unwrap(), "cert_hash_and_spki");
}

#[tokio::test]
async fn revocation() {
    let root = Authority::root("Root");
    let leaf = |serial| root.leaf(&LeafSpec { serial: Some(serial), dns: &["a"], ..LeafSpec::default() });
    let with = |list: String| Validation { crl: Some(list.into()), ..trusting(&root) };
    assert_eq!(refusal(with(root.revocation_list(5)), &leaf(6)).await, None);
    assert_eq!(refusal(with(root.revocation_list(5)), &leaf(5)).await, at(0, "certificate_revoked"));
    // No list of this issuer: as with OpenSSL, that is not good enough.
    let others = Authority::root("Other").revocation_list(5);
    assert_eq!(refusal(with(others), &leaf(6)).await, at(0, "unable_to_get_certificate_CRL"));
}

/// Client certificates: who is asked, who must, who passes.
#[tokio::test]
async fn client_certificates() {
    let root = Authority::root("Root");
    let own = workload(&root, "server");
    let good = workload(&root, "client");
    let stranger = workload(&Authority::root("Other"), "client");
    let untrusted = Validation { accept_untrusted: true, ..trusting(&root) };
    // (validation, required, client's certificate) → passes, presented, validated
    let table = [
        (checked(trusting(&root)), true, Some(&good), Some((true, true))),
        (checked(trusting(&root)), true, None, None),
        (checked(trusting(&root)), true, Some(&stranger), None),
        (checked(trusting(&root)), false, None, Some((false, false))),
        (checked(trusting(&root)), false, Some(&good), Some((true, true))),
        (checked(trusting(&root)), false, Some(&stranger), None),
        (checked(untrusted.clone()), false, Some(&stranger), Some((true, false))),
        (checked(untrusted), false, Some(&good), Some((true, true))),
        // Nobody is asked, even if one is required: there is nothing to check it by.
        (ValidationSource::None, false, Some(&good), Some((false, false))),
        (ValidationSource::None, true, None, Some((false, false))),
    ];
    for version in [TlsVersion::V1_2, TlsVersion::V1_3] {
        for (row, (validation, required, leaf, expected)) in table.iter().enumerate() {
            let mut tls = server(&[&own], validation.clone());
            tls.require_client_certificate = *required;
            tls.common.max_version = version;
            let certificates: Vec<_> = leaf.iter().copied().collect();
            let ours = connector(&client(&certificates, checked(trusting(&root))));
            let outcome = meet(&acceptor(&tls), &ours, ConnectOptions::default()).await;
            let found = outcome.server.as_ref().ok().map(|f| (f.presented(), f.validated));
            assert_eq!(found, *expected, "row {row} with {version:?}");
            assert_eq!(outcome.client.is_ok(), expected.is_some(), "row {row} with {version:?}");
            if let Some((_, validated)) = expected {
                let identity = outcome.server.unwrap().identity();
                assert_eq!(identity.is_some(), *validated, "an unproven identity is none");
            }
        }
    }
}

/// Both sides' words for a refused client, as Envoy has them.
#[tokio::test]
async fn reasons_of_refused_clients() {
    let root = Authority::root("Root");
    let mut tls = server(&[&workload(&root, "server")], checked(trusting(&root)));
    tls.require_client_certificate = true;
    let acceptor = acceptor(&tls);
    let none = connector(&client(&[], checked(trusting(&root))));
    let outcome = meet(&acceptor, &none, ConnectOptions::default()).await;
    assert_eq!(
        outcome.server.unwrap_err().reason(),
        "TLS_error:|268435648:SSL_routines:OPENSSL_internal:PEER_DID_NOT_RETURN_A_CERTIFICATE:\
         peer_did_not_provide_required_client_certificate:TLS_error_end"
    );
    assert_eq!(
        outcome.client.unwrap_err().reason(),
        "TLS_error:|268436572:SSL_routines:OPENSSL_internal:TLSV1_ALERT_CERTIFICATE_REQUIRED:TLS_error_end"
    );
    let stranger = workload(&Authority::root("Other"), "client");
    let stranger = connector(&client(&[&stranger], checked(trusting(&root))));
    let outcome = meet(&acceptor, &stranger, ConnectOptions::default()).await;
    assert_eq!(
        outcome.client.unwrap_err().reason(),
        "TLS_error:|268436504:SSL_routines:OPENSSL_internal:TLSV1_ALERT_UNKNOWN_CA:TLS_error_end"
    );
}
