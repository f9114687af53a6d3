//! CSRs that somebody built or bent on purpose.

use std::sync::LazyLock;
use std::time::SystemTime;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use weft_ca::{Authority, CertificateRequest, IssueError};

use crate::setup::{OpenSsl, authority, id, with_leaf};

static NOW: LazyLock<SystemTime> = LazyLock::new(SystemTime::now);
static AUTHORITY: LazyLock<Authority> = LazyLock::new(|| authority(*NOW));
static CSR: LazyLock<Vec<u8>> = LazyLock::new(|| der(CertificateRequest::new(&id("a")).unwrap().csr_pem()));
static RSA_CSR: LazyLock<Vec<u8>> = LazyLock::new(|| der(&OpenSsl::new().greedy_csr("rsa:2048")));

fn der(pem: &str) -> Vec<u8> {
    x509_parser::pem::parse_x509_pem(pem.as_bytes()).unwrap().1.contents
}

fn pem(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    format!("-----BEGIN CERTIFICATE REQUEST-----\n{text}\n-----END CERTIFICATE REQUEST-----\n")
}

fn issue(text: &str) -> Result<Vec<String>, IssueError> {
    AUTHORITY.issue(text, &id("a"), None, *NOW)
}

/// The public key in a CSR, found anew.
fn key_of(csr: &[u8]) -> Vec<u8> {
    use x509_parser::prelude::FromDer;
    let (_, csr) = x509_parser::certification_request::X509CertificationRequest::from_der(csr).unwrap();
    csr.certification_request_info.subject_pki.raw.to_vec()
}

#[test]
fn a_request_signed_by_another_key_is_refused() {
    let other = der(CertificateRequest::new(&id("a")).unwrap().csr_pem());
    let (mine, theirs) = (key_of(&CSR), key_of(&other));
    let at = CSR.windows(mine.len()).position(|window| window == mine).unwrap();
    let mut swapped = CSR.clone();
    swapped[at..at + mine.len()].copy_from_slice(&theirs);
    assert!(issue(&pem(&CSR)).is_ok());
    assert_eq!(issue(&pem(&swapped)), Err(IssueError::Possession));
}

#[test]
fn what_is_no_request_is_refused_with_words() {
    let certificate = AUTHORITY.roots_pem();
    let key = AUTHORITY.key_pem();
    for text in ["", "hello", "-----BEGIN CERTIFICATE REQUEST-----\n", certificate.as_str(), key.as_str()] {
        let refused = issue(text);
        assert!(matches!(refused, Err(IssueError::Malformed(_))), "{text}: {refused:?}");
    }
    let mut longer = CSR.clone();
    longer.extend_from_slice(&[0, 0]);
    assert!(matches!(issue(&pem(&longer)), Err(IssueError::Malformed(_))));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_bent_request_never_certifies_another_key(
        rsa: bool,
        bends in prop::collection::vec((any::<prop::sample::Index>(), 1_u8..=255), 1..4),
    ) {
        let original = if rsa { &*RSA_CSR } else { &*CSR };
        let mut bent = original.clone();
        for (index, flip) in bends {
            let at = index.index(bent.len());
            bent[at] ^= flip;
        }
        if let Ok(answer) = issue(&pem(&bent)) {
            let certified = with_leaf(&answer[0], |leaf| leaf.public_key().raw.to_vec());
            prop_assert_eq!(certified, key_of(original));
        }
    }

    #[test]
    fn cut_and_spliced_requests_do_not_panic(
        cut in any::<prop::sample::Index>(),
        splice in prop::collection::vec(any::<u8>(), 0..64),
    ) {
        let mut bytes = CSR[..cut.index(CSR.len())].to_vec();
        bytes.extend(splice);
        prop_assert!(issue(&pem(&bytes)).is_err());
    }

    #[test]
    fn any_bytes_and_any_text_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..300), text: String) {
        prop_assert!(issue(&pem(&bytes)).is_err());
        prop_assert!(issue(&text).is_err());
    }
}
