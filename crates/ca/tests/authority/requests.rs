//! The workload's side takes only what was meant for it.

use std::time::SystemTime;

use weft_ca::{AcceptError, CertificateRequest};

use crate::setup::{HOUR, OpenSsl, authority, id, seconds};

#[test]
fn a_request_is_one_that_openssl_reads_and_carries_the_name() {
    let openssl = OpenSsl::new();
    openssl.write("csr.pem", CertificateRequest::new(&id("a")).unwrap().csr_pem());
    let said = openssl.run("req -in csr.pem -noout -verify -text");
    assert!(said.contains("URI:spiffe://cluster.local/ns/default/sa/a"), "{said}");
    assert!(said.contains("prime256v1"), "{said}");
}

#[test]
fn what_comes_back_is_ready_for_use() {
    let now = SystemTime::now();
    let request = CertificateRequest::new(&id("a")).unwrap();
    let answer = authority(now).issue(request.csr_pem(), &id("a"), Some(HOUR), now).unwrap();
    let taken = request.accept(&answer, now).unwrap();
    assert_eq!((taken.chain, taken.roots), (answer[0].clone(), answer[1].clone()));
    assert_eq!((taken.lifetime.from, seconds(taken.lifetime.until)), (now, seconds(now + HOUR)));
    assert_eq!(format!("{:?}", taken.key), "PrivateKey(..)");
    let openssl = OpenSsl::new();
    openssl.write("key.pem", taken.key.pem());
    openssl.write("leaf.pem", &answer[0]);
    assert_eq!(openssl.run("pkey -in key.pem -pubout"), openssl.run("x509 -in leaf.pem -noout -pubkey"));
}

#[test]
fn answers_for_others_are_refused() {
    let now = SystemTime::now();
    let authority = authority(now);
    let request = || CertificateRequest::new(&id("a")).unwrap();

    let (mine, other) = (request(), request());
    let answer = authority.issue(other.csr_pem(), &id("a"), None, now).unwrap();
    assert_eq!(mine.accept(&answer, now).unwrap_err(), AcceptError::ForeignKey);

    let mine = request();
    let answer = authority.issue(mine.csr_pem(), &id("b"), None, now).unwrap();
    let found = vec![id("b").to_string()];
    assert_eq!(
        mine.accept(&answer, now).unwrap_err(),
        AcceptError::ForeignName { found, wanted: id("a").to_string() }
    );

    let mine = request();
    let mut answer = authority.issue(mine.csr_pem(), &id("a"), None, now).unwrap();
    answer[1] = crate::setup::authority(now).roots_pem();
    assert!(matches!(mine.accept(&answer, now), Err(AcceptError::Untrusted(_))));

    let mine = request();
    let answer = authority.issue(mine.csr_pem(), &id("a"), Some(HOUR), now).unwrap();
    assert!(matches!(mine.accept(&answer, now + HOUR * 2), Err(AcceptError::Untrusted(_))));
}

#[test]
fn answers_without_sense_are_refused() {
    let now = SystemTime::now();
    let accept = |answer: &[&str]| {
        let answer: Vec<String> = answer.iter().map(|text| (*text).to_owned()).collect();
        CertificateRequest::new(&id("a")).unwrap().accept(&answer, now).unwrap_err()
    };
    let root = authority(now).roots_pem();
    assert_eq!(accept(&[]), AcceptError::TooShort(0));
    assert_eq!(accept(&[&root]), AcceptError::TooShort(1));
    assert!(matches!(accept(&["x", &root]), AcceptError::Malformed { index: 0, .. }));
    assert!(matches!(accept(&[&root, "x"]), AcceptError::Malformed { index: 1, .. }));
    assert_eq!(accept(&[&root, &root.repeat(65)]), AcceptError::TooLong);
}
