//! Authorities from somebody's own files, whole and broken.

use std::time::SystemTime;

use rcgen::{
    CertificateRevocationListParams, IsCa, KeyIdMethod, KeyUsagePurpose, SerialNumber, date_time_ymd,
};
use weft_ca::{Fault, LoadError, MAX_FILE_BYTES};

use crate::setup::{DAY, Files, Node, OpenSsl, ca_params, id, two_storeys};

fn fault(files: &Files) -> LoadError {
    files.load(SystemTime::now()).unwrap_err()
}

/// An authority that is its own root.
fn one_storey(node: &Node) -> Files {
    Files { certificate: node.pem.clone(), key: node.key_pem(), roots: node.pem.clone(), ..Files::default() }
}

#[test]
fn keys_come_in_every_usual_dress() {
    for (key, traditional) in [
        ("genrsa -out ca-key.pem 2048", "rsa -in ca-key.pem -traditional -out old.pem"),
        (
            "ecparam -genkey -name prime256v1 -out ca-key.pem",
            "pkcs8 -topk8 -nocrypt -in ca-key.pem -out old.pem",
        ),
        ("ecparam -genkey -name secp384r1 -out ca-key.pem", "ec -in ca-key.pem -out old.pem"),
    ] {
        let openssl = OpenSsl::new();
        openssl.run(key);
        openssl.run(traditional);
        openssl.run(
            "req -x509 -new -key ca-key.pem -out ca-cert.pem -days 30 -subj /O=us \
             -addext keyUsage=keyCertSign",
        );
        for dress in ["ca-key.pem", "old.pem"] {
            let certificate = openssl.read("ca-cert.pem");
            let roots = certificate.clone();
            let files = Files { certificate, roots, key: openssl.read(dress), ..Files::default() };
            let now = SystemTime::now();
            let authority = files.load(now).unwrap_or_else(|error| panic!("{key}, {dress}: {error}"));
            let request = weft_ca::CertificateRequest::new(&id("a")).unwrap();
            let answer = authority.issue(request.csr_pem(), &id("a"), None, now).unwrap();
            openssl.verify(&answer);
        }
    }
}

#[test]
fn a_key_of_somebody_else_is_named() {
    let (root, _, mut files) = two_storeys();
    files.key = root.key_pem();
    assert_eq!(fault(&files).to_string(), "ca-key.pem: is not the key of the certificate in ca-cert.pem");
}

#[test]
fn who_may_not_sign_is_no_authority() {
    let root = Node::root(ca_params("root"));
    let mut leaf = ca_params("leaf");
    leaf.is_ca = IsCa::ExplicitNoCa;
    let leaf = root.below(leaf);
    let files = Files { roots: root.pem.clone(), ..one_storey(&leaf) };
    assert_eq!(
        fault(&files).to_string(),
        "ca-cert.pem: CN=leaf: not an authority (basic constraints lack CA:TRUE)"
    );

    let mut idle = ca_params("idle");
    idle.key_usages = vec![KeyUsagePurpose::CrlSign];
    let error = fault(&one_storey(&Node::root(idle)));
    assert_eq!(error.to_string(), "ca-cert.pem: CN=idle: key usage lacks keyCertSign");
}

#[test]
fn time_over_and_time_to_come_are_told_by_file() {
    let mut past = ca_params("past");
    past.not_after = date_time_ymd(2020, 1, 1);
    let mut future = ca_params("future");
    future.not_before = date_time_ymd(3020, 1, 1);
    let error = fault(&one_storey(&Node::root(past.clone()))).to_string();
    assert!(error.starts_with("ca-cert.pem: CN=past: expired at Jan  1 00:00:00 2020"), "{error}");
    let error = fault(&one_storey(&Node::root(future))).to_string();
    assert!(error.starts_with("ca-cert.pem: CN=future: not valid before"), "{error}");

    let root = Node::root(past);
    let below = root.below(ca_params("below"));
    let files = Files { roots: root.pem.clone(), ..one_storey(&below) };
    let error = fault(&files);
    assert_eq!(error.file, "root-cert.pem");
    assert!(matches!(error.fault, Fault::Expired { .. }), "{error}");
}

#[test]
fn a_chain_that_leads_elsewhere_is_refused() {
    let (_, _, mut files) = two_storeys();
    files.roots = Node::root(ca_params("other")).pem;
    let error = fault(&files).to_string();
    let wanted = "ca-cert.pem: what it signs does not lead to a root of root-cert.pem: ";
    assert!(error.starts_with(wanted), "{error}");
    // The same name with another key is no better.
    files.roots = Node::root(ca_params("root")).pem;
    assert!(matches!(fault(&files).fault, Fault::Untrusted { .. }));
}

#[test]
fn a_missing_link_is_refused_and_a_given_one_found() {
    let root = Node::root(ca_params("root"));
    let middle = root.below(ca_params("middle"));
    let low = middle.below(ca_params("low"));
    let mut files = Files { roots: root.pem.clone(), ..one_storey(&low) };
    assert!(matches!(fault(&files).fault, Fault::Untrusted { .. }));
    files.chain = Some(middle.pem.clone());
    let now = SystemTime::now();
    let authority = files.load(now).unwrap();
    let request = weft_ca::CertificateRequest::new(&id("a")).unwrap();
    let answer = authority.issue(request.csr_pem(), &id("a"), None, now).unwrap();
    assert_eq!(answer.len(), 4);
    OpenSsl::new().verify(&answer);
}

#[test]
fn several_roots_go_to_workloads_together_and_dead_ones_do_not() {
    let now = SystemTime::now();
    let (root, _, mut files) = two_storeys();
    let other = Node::root(ca_params("other"));
    let mut past = ca_params("past");
    past.not_after = date_time_ymd(2020, 1, 1);
    let past = Node::root(past);
    files.roots = format!("{}{}{}", other.pem, past.pem, root.pem);
    let authority = files.load(now).unwrap();
    assert_eq!(authority.left_out().len(), 1);
    assert!(authority.left_out()[0].starts_with("root-cert.pem: CN=past: expired"));
    let request = weft_ca::CertificateRequest::new(&id("a")).unwrap();
    let answer = authority.issue(request.csr_pem(), &id("a"), None, now).unwrap();
    assert_eq!(answer.len(), 3);
    assert_eq!(answer[2].matches("BEGIN CERTIFICATE").count(), 2);
    assert_eq!(authority.roots_pem(), answer[2]);
}

#[test]
fn leaves_end_with_the_shortest_link() {
    let now = SystemTime::now();
    let root = Node::root(ca_params("root"));
    let mut short = ca_params("short");
    short.not_after = (now + DAY * 2).into();
    let files = Files { roots: root.pem.clone(), ..one_storey(&root.below(short)) };
    let request = weft_ca::CertificateRequest::new(&id("a")).unwrap();
    let answer = files.load(now).unwrap().issue(request.csr_pem(), &id("a"), Some(DAY * 30), now).unwrap();
    assert_eq!(crate::setup::validity(&answer[0]).1, crate::setup::seconds(now + DAY * 2));
}

#[test]
fn broken_files_are_named() {
    let (_, _, good) = two_storeys();
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_owned();
    let half = |text: &str| text[..text.len() / 2].to_owned();
    let cases: [(&str, Files); 8] = [
        ("ca-cert.pem", Files { certificate: String::new(), ..good.clone() }),
        ("ca-cert.pem", Files { certificate: half(&good.certificate), ..good.clone() }),
        ("ca-cert.pem", Files { certificate: broken.clone(), ..good.clone() }),
        ("ca-key.pem", Files { key: half(&good.key), ..good.clone() }),
        ("ca-key.pem", Files { key: good.roots.clone(), ..good.clone() }),
        ("cert-chain.pem", Files { chain: Some(broken), ..good.clone() }),
        ("root-cert.pem", Files { roots: "words".to_owned(), ..good.clone() }),
        ("root-cert.pem", Files { roots: " ".repeat(MAX_FILE_BYTES + 1), ..good.clone() }),
    ];
    for (name, files) in cases {
        assert_eq!(fault(&files).file, name, "{}", fault(&files));
    }
    assert!(good.load(SystemTime::now()).is_ok());
}

#[test]
fn a_revocation_list_is_read_and_handed_on() {
    let (_, below, mut files) = two_storeys();
    files.revocation_list = Some("words".to_owned());
    assert_eq!(fault(&files).to_string(), "ca-crl.pem: holds no certificate revocation list");
    let list = CertificateRevocationListParams {
        this_update: date_time_ymd(2020, 1, 1),
        next_update: date_time_ymd(4000, 1, 1),
        crl_number: SerialNumber::from(1),
        issuing_distribution_point: None,
        revoked_certs: vec![],
        key_identifier_method: KeyIdMethod::Sha256,
    };
    files.revocation_list = Some(list.signed_by(&below.issuer).unwrap().pem().unwrap());
    let authority = files.load(SystemTime::now()).unwrap();
    let openssl = OpenSsl::new();
    openssl.write("crl.pem", authority.revocation_list_pem().unwrap());
    assert!(openssl.run("crl -in crl.pem -noout -issuer").contains("below"));
}

#[test]
fn what_was_read_can_be_written_and_read_again() {
    let now = SystemTime::now();
    for authority in [crate::setup::authority(now), two_storeys().2.load(now).unwrap()] {
        let files = Files {
            certificate: authority.certificate_pem(),
            key: authority.key_pem().to_string(),
            chain: Some(authority.chain_pem()),
            roots: authority.roots_pem(),
            revocation_list: None,
        };
        let again = files.load(now).unwrap();
        assert_eq!(again.certificate_pem(), authority.certificate_pem());
        assert_eq!(again.roots_pem(), authority.roots_pem());
        assert_eq!(again.lifetime(), authority.lifetime());
    }
}

#[test]
fn keys_are_not_shown() {
    let authority = crate::setup::authority(SystemTime::now());
    let key = authority.key_pem();
    let body = key.lines().nth(1).unwrap();
    assert!(!format!("{authority:?}").contains(body));
    let request = weft_ca::CertificateRequest::new(&id("a")).unwrap();
    assert_eq!(format!("{request:?}"), format!("CertificateRequest {{ identity: {:?}, .. }}", id("a")),);
}
