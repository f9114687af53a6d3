//! A root is replaced without a moment of distrust.

use std::time::SystemTime;

use weft_ca::rotation::{RootStep, root_step};
use weft_ca::{Authority, CertificateRequest, RenewError};

use crate::setup::{DAY, OpenSsl, id, two_storeys};

#[test]
fn old_and_new_root_trust_each_others_leaves() {
    let begin = SystemTime::now() - DAY * 9;
    let old = Authority::self_signed("cluster.local", begin, DAY * 10).unwrap();
    let now = SystemTime::now();
    assert_eq!(root_step(&old.lifetime(), now, 0.5), RootStep::Renew);

    let new = old.renewed(now, DAY * 10).unwrap();
    assert!(matches!(root_step(&new.lifetime(), now, 0.5), RootStep::Keep { .. }));
    assert!(new.lifetime().until > old.lifetime().until);
    assert_eq!(new.roots_pem().matches("BEGIN").count(), 2, "both are handed out");
    assert!(new.roots_pem().starts_with(&new.certificate_pem()));

    let request = CertificateRequest::new(&id("a")).unwrap();
    let before = old.issue(request.csr_pem(), &id("a"), None, now).unwrap();
    let after = new.issue(request.csr_pem(), &id("a"), None, now).unwrap();
    OpenSsl::new().verify(&[before[0].clone(), new.certificate_pem()]);
    OpenSsl::new().verify(&[after[0].clone(), old.certificate_pem()]);
    OpenSsl::new().verify(&after);
}

#[test]
fn a_root_that_is_over_leaves_the_bundle() {
    let begin = SystemTime::now() - DAY * 9;
    let old = Authority::self_signed("cluster.local", begin, DAY).unwrap();
    let new = old.renewed(SystemTime::now(), DAY * 10).unwrap();
    assert_eq!(new.roots_pem(), new.certificate_pem());
}

#[test]
fn what_others_signed_is_not_ours_to_renew() {
    let now = SystemTime::now();
    let authority = two_storeys().2.load(now).unwrap();
    assert_eq!(authority.renewed(now, DAY).unwrap_err(), RenewError::NotOurs);
}
