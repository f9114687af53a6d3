//! What is issued, to whom, for how long.

use std::time::{Duration, SystemTime};

use weft_ca::{Authority, CLOCK_SKEW, CertificateRequest, IssueError, MAX_CSR_BYTES, Policy};
use weft_types::SpiffeId;

use crate::setup::{DAY, Files, HOUR, OpenSsl, authority, id, seconds, two_storeys, validity, with_leaf};

fn csr() -> String {
    CertificateRequest::new(&id("reviews")).unwrap().csr_pem().to_owned()
}

#[test]
fn openssl_takes_what_a_root_of_ours_issues() {
    let openssl = OpenSsl::new();
    let now = SystemTime::now();
    let answer = authority(now).issue(&csr(), &id("reviews"), None, now).unwrap();
    assert_eq!(answer.len(), 2, "leaf and root");
    openssl.verify(&answer);
    let leaf = openssl.leaf();
    for expected in [
        "X509v3 Subject Alternative Name: critical\n    URI:spiffe://cluster.local/ns/default/sa/reviews\n",
        "X509v3 Key Usage: critical\n    Digital Signature, Key Encipherment\n",
        "X509v3 Extended Key Usage: \n    TLS Web Server Authentication, TLS Web Client Authentication\n",
        "X509v3 Basic Constraints: critical\n    CA:FALSE\n",
        "subject=\n",
    ] {
        assert!(leaf.contains(expected), "{expected} not in {leaf}");
    }
    let root = openssl.run("x509 -in roots.pem -noout -subject -ext basicConstraints,keyUsage -text");
    for expected in ["O = cluster.local", "CA:TRUE", "Certificate Sign, CRL Sign", "prime256v1"] {
        assert!(root.contains(expected) || root.contains(&expected.replace(" = ", "=")), "{root}");
    }
}

#[test]
fn whatever_a_csr_asks_for_the_caller_gets_his_own_name() {
    let now = SystemTime::now();
    let authority = authority(now);
    for key in ["rsa:2048", "ec -pkeyopt ec_paramgen_curve:P-256", "ec -pkeyopt ec_paramgen_curve:P-384"] {
        let openssl = OpenSsl::new();
        let csr = openssl.greedy_csr(key);
        let answer = authority.issue(&csr, &id("reviews"), None, now).unwrap();
        openssl.verify(&answer);
        let leaf = openssl.leaf();
        assert!(leaf.contains("\n    URI:spiffe://cluster.local/ns/default/sa/reviews\n"), "{leaf}");
        assert!(leaf.contains("CA:FALSE"), "{leaf}");
        for greed in ["admin", "example.com", "CA:TRUE", "Certificate Sign"] {
            assert!(!leaf.contains(greed), "{greed} in {leaf}");
        }
        let key_of_leaf = openssl.run("x509 -in leaf.pem -noout -pubkey");
        assert_eq!(key_of_leaf, openssl.run("pkey -in key.pem -pubout"), "{key}");
    }
}

#[test]
fn weak_and_strange_keys_are_refused() {
    let now = SystemTime::now();
    let authority = authority(now);
    for (key, named) in [
        ("rsa:1024", "RSA key of 1024 bits"),
        ("ec -pkeyopt ec_paramgen_curve:P-521", "another curve"),
        ("ec -pkeyopt ec_paramgen_curve:secp256k1", "another curve"),
        ("ed25519", "another kind"),
    ] {
        let csr = OpenSsl::new().greedy_csr(key);
        let error = authority.issue(&csr, &id("reviews"), None, now).unwrap_err();
        assert!(matches!(error, IssueError::Key(_)), "{key}: {error}");
        assert!(error.to_string().contains(named), "{key}: {error}");
    }
}

#[test]
fn an_intermediate_goes_along_and_openssl_takes_the_chain() {
    let now = SystemTime::now();
    let (_, below, files) = two_storeys();
    let answer = files.load(now).unwrap().issue(&csr(), &id("reviews"), None, now).unwrap();
    let plain = |pem: &str| pem.replace(['\r', '\n'], "");
    assert_eq!(answer.len(), 3);
    assert_eq!(plain(&answer[1]), plain(&below.pem));
    assert_eq!(plain(&answer[2]), plain(&files.roots));
    OpenSsl::new().verify(&answer);
}

#[test]
fn an_issuer_keeps_its_name_to_the_byte() {
    let now = SystemTime::now();
    let openssl = OpenSsl::new();
    openssl.run(
        "req -x509 -newkey rsa:2048 -nodes -keyout ca-key.pem -out ca-cert.pem -days 30 \
         -subj /DC=com/DC=example/OU=a/OU=b/O=Example+L=Here/CN=Mesh -addext keyUsage=keyCertSign",
    );
    let certificate = openssl.read("ca-cert.pem");
    let files = Files {
        roots: certificate.clone(),
        certificate,
        key: openssl.read("ca-key.pem"),
        ..Files::default()
    };
    let answer = files.load(now).unwrap().issue(&csr(), &id("reviews"), None, now).unwrap();
    openssl.verify(&answer);
    // Read back by the authority's own request too, which asks webpki.
    let request = CertificateRequest::new(&id("ratings")).unwrap();
    let answer = files.load(now).unwrap().issue(request.csr_pem(), &id("ratings"), None, now).unwrap();
    assert_eq!(request.accept(&answer, now).unwrap().identity, id("ratings"));
}

#[test]
fn lives_are_a_day_or_what_is_asked_for_within_bounds() {
    let now = SystemTime::now();
    let authority = authority(now);
    let lives = |wanted| authority.issue(&csr(), &id("a"), wanted, now).map(|answer| validity(&answer[0]));
    let start = seconds(now) - CLOCK_SKEW.as_secs();
    assert_eq!(lives(None), Ok((start, seconds(now + DAY))));
    assert_eq!(lives(Some(Duration::ZERO)), Ok((start, seconds(now + DAY))));
    assert_eq!(lives(Some(HOUR)), Ok((start, seconds(now + HOUR))));
    assert_eq!(lives(Some(DAY * 90)), Ok((start, seconds(now + DAY * 90))));
    let too_long = IssueError::Validity { requested: DAY * 91, allowed: DAY * 90 };
    assert_eq!(lives(Some(DAY * 91)), Err(too_long));

    let strict = Policy { default_validity: HOUR, max_validity: HOUR * 2 };
    let authority = Authority::self_signed("td", now, DAY).unwrap().with_policy(strict);
    let answer = authority.issue(&csr(), &id("a"), None, now).unwrap();
    assert_eq!(validity(&answer[0]).1, seconds(now + HOUR));
    assert!(authority.issue(&csr(), &id("a"), Some(HOUR * 3), now).is_err());
}

#[test]
fn nothing_outlives_the_authority() {
    let now = SystemTime::now();
    let authority = Authority::self_signed("td", now, HOUR).unwrap();
    let answer = authority.issue(&csr(), &id("a"), None, now).unwrap();
    assert_eq!(validity(&answer[0]).1, seconds(now + HOUR));
    let late = authority.issue(&csr(), &id("a"), None, now + HOUR * 2);
    assert_eq!(late, Err(IssueError::AuthorityNotValid));
    let early = authority.issue(&csr(), &id("a"), None, now - HOUR);
    assert_eq!(early, Err(IssueError::AuthorityNotValid));
}

#[test]
fn serial_numbers_are_random() {
    let now = SystemTime::now();
    let authority = authority(now);
    let csr = csr();
    let serial = || {
        let answer = authority.issue(&csr, &id("a"), None, now).unwrap();
        with_leaf(&answer[0], |leaf| leaf.raw_serial().to_vec())
    };
    let (one, other) = (serial(), serial());
    assert_ne!(one, other, "of the same request");
    assert!(one.len() == 16 && one[0] & 0x80 == 0, "{one:?}");
}

#[test]
fn identities_that_would_read_back_as_others_are_refused() {
    let now = SystemTime::now();
    let authority = authority(now);
    for (namespace, account) in
        [("default", "a/b"), ("default/sa/admin", "x"), ("", "a"), ("default", "ä"), ("default", "a b")]
    {
        let identity = SpiffeId {
            trust_domain: "cluster.local".into(),
            namespace: namespace.into(),
            service_account: account.into(),
        };
        let refused = authority.issue(&csr(), &identity, None, now);
        assert!(matches!(refused, Err(IssueError::Identity(_))), "{identity}: {refused:?}");
    }
}

#[test]
fn long_requests_are_refused_unread() {
    let now = SystemTime::now();
    let long = format!("{}{}", csr(), " ".repeat(MAX_CSR_BYTES));
    let refused = authority(now).issue(&long, &id("a"), None, now);
    assert_eq!(refused, Err(IssueError::TooLong { size: long.len(), limit: MAX_CSR_BYTES }));
}
