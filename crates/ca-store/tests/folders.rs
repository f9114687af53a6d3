//! Authorities on disk: kept, broken, given, renewed.
// Helpers of tests may panic as tests do.
#![allow(clippy::unwrap_used)]

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use weft_ca::{Authority, CertificateRequest};
use weft_ca_store::{
    CA_CERT, CA_KEY, CERT_CHAIN, Options, Origin, ROOT_CERT, StoreError, load, open, replace_root,
};
use weft_types::SpiffeId;

const FILES: [&str; 4] = [CA_CERT, CA_KEY, CERT_CHAIN, ROOT_CERT];
const DAY: Duration = Duration::from_secs(24 * 3600);

fn options(own: &Path) -> Options {
    Options::new(own, "cluster.local")
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// Lets a workload take a certificate from one authority and check it by another's roots.
fn trusted(issuer: &Authority, roots: &Authority) -> bool {
    let now = SystemTime::now();
    let identity = SpiffeId::parse("spiffe://cluster.local/ns/a/sa/b").unwrap();
    let request = CertificateRequest::new(&identity).unwrap();
    let mut answer = issuer.issue(request.csr_pem(), &identity, None, now).unwrap();
    *answer.last_mut().unwrap() = roots.roots_pem();
    request.accept(&answer, now).is_ok()
}

#[test]
fn a_root_is_made_once_and_found_again() {
    let place = tempfile::tempdir().unwrap();
    let own = place.path().join("state/ca");
    let now = SystemTime::now();
    let (made, origin) = open(&options(&own), now).unwrap();
    assert_eq!(origin, Origin::Made);
    assert_eq!(mode(&own), 0o700);
    for name in FILES {
        assert_eq!(mode(&own.join(name)), 0o600, "{name}");
    }
    let beside: Vec<_> = fs::read_dir(own.parent().unwrap()).unwrap().collect();
    assert_eq!(beside.len(), 1, "nothing is left aside: {beside:?}");

    let (kept, origin) = open(&options(&own), now).unwrap();
    assert_eq!((origin, kept.roots_pem()), (Origin::Kept, made.roots_pem()));
    assert_eq!(*kept.key_pem(), *made.key_pem());
    assert!(trusted(&kept, &made) && trusted(&made, &kept));
}

#[test]
fn an_empty_folder_takes_a_root_too() {
    let place = tempfile::tempdir().unwrap();
    let (_, origin) = open(&options(place.path()), SystemTime::now()).unwrap();
    assert_eq!(origin, Origin::Made);
    assert!(place.path().join(CA_KEY).exists());
}

#[test]
fn many_that_start_at_once_agree_on_one_root() {
    let place = tempfile::tempdir().unwrap();
    let own = place.path().join("ca");
    let now = SystemTime::now();
    let opened: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| open(&options(&own), now).unwrap())).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let (first, _) = &opened[0];
    assert!(opened.iter().all(|(authority, _)| authority.roots_pem() == first.roots_pem()));
    assert_eq!(opened.iter().filter(|(_, origin)| *origin == Origin::Made).count(), 1);
}

#[test]
fn what_is_broken_is_named_and_never_replaced() {
    let now = SystemTime::now();
    let other = Authority::self_signed("other", now, DAY).unwrap();
    for name in FILES {
        for break_it in ["gone", "empty", "cut", "words", "other"] {
            let place = tempfile::tempdir().unwrap();
            let own = place.path().join("ca");
            open(&options(&own), now).unwrap();
            let path = own.join(name);
            let text = fs::read_to_string(&path).unwrap();
            match break_it {
                "gone" => fs::remove_file(&path).unwrap(),
                "empty" => fs::write(&path, "").unwrap(),
                "cut" => fs::write(&path, &text[..text.len() / 2]).unwrap(),
                "words" => fs::write(&path, "some words").unwrap(),
                _ if name == CA_KEY => fs::write(&path, other.key_pem().as_bytes()).unwrap(),
                _ => fs::write(&path, other.roots_pem()).unwrap(),
            }
            let before: Vec<_> = FILES.iter().map(|name| fs::read(own.join(name)).ok()).collect();
            let outcome = open(&options(&own), now);
            // The chain of a root says nothing that is needed.
            if name == CERT_CHAIN && ["gone", "empty", "other"].contains(&break_it) {
                outcome.unwrap();
                continue;
            }
            let error = outcome.map(|(_, origin)| origin).unwrap_err().to_string();
            let named = FILES.iter().any(|name| error.starts_with(&*own.join(name).to_string_lossy()));
            assert!(named, "{name} {break_it}: {error}");
            // Of files that do not belong together, either may be named.
            assert!(break_it == "other" || error.contains(name), "{name} {break_it}: {error}");
            let after: Vec<_> = FILES.iter().map(|name| fs::read(own.join(name)).ok()).collect();
            assert_eq!(before, after, "{name} {break_it}");
        }
    }
}

#[test]
fn a_folder_with_other_things_gets_no_root() {
    let place = tempfile::tempdir().unwrap();
    fs::write(place.path().join("notes.txt"), "mine").unwrap();
    let error = open(&options(place.path()), SystemTime::now()).unwrap_err();
    assert!(matches!(&error, StoreError::Missing(path) if path.ends_with(CA_KEY)), "{error}");
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1);
}

#[test]
fn a_key_that_others_may_read_is_refused() {
    let place = tempfile::tempdir().unwrap();
    let own = place.path().join("ca");
    let now = SystemTime::now();
    open(&options(&own), now).unwrap();
    fs::set_permissions(own.join(CA_KEY), Permissions::from_mode(0o640)).unwrap();
    let error = open(&options(&own), now).unwrap_err();
    assert!(matches!(error, StoreError::Exposed { mode: 0o640, .. }), "{error}");
}

#[test]
fn the_users_own_wins_in_either_layout_and_must_serve() {
    let place = tempfile::tempdir().unwrap();
    let own = place.path().join("ca");
    let now = SystemTime::now();
    let (ours, _) = open(&options(&own), now).unwrap();
    let theirs = Authority::self_signed("theirs", now, DAY).unwrap();
    for [certificate, key, roots] in [[CA_CERT, CA_KEY, ROOT_CERT], ["tls.crt", "tls.key", "ca.crt"]] {
        let given = tempfile::tempdir().unwrap();
        let both = Options { cacerts: Some(given.path().to_owned()), ..options(&own) };
        assert!(matches!(open(&both, now), Err(StoreError::NoAuthority(_))));
        fs::write(given.path().join(certificate), theirs.certificate_pem()).unwrap();
        assert!(matches!(open(&both, now), Err(StoreError::Missing(_))));
        fs::write(given.path().join(key), theirs.key_pem().as_bytes()).unwrap();
        fs::write(given.path().join(roots), theirs.roots_pem()).unwrap();
        let (opened, origin) = open(&both, now).unwrap();
        assert_eq!((origin, opened.roots_pem()), (Origin::Given, theirs.roots_pem()));
        fs::write(given.path().join(roots), ours.roots_pem()).unwrap();
        let error = open(&both, now).unwrap_err().to_string();
        assert!(error.contains(roots) && error.contains(&*given.path().to_string_lossy()), "{error}");
    }
    let absent = Options { cacerts: Some(place.path().join("absent")), ..options(&own) };
    assert!(matches!(open(&absent, now), Err(StoreError::NoAuthority(_))));
}

#[test]
fn a_renewed_root_is_kept_and_every_step_on_the_way_loads() {
    let place = tempfile::tempdir().unwrap();
    let own = place.path().join("ca");
    let now = SystemTime::now();
    let short = Options { root_validity: DAY * 10, ..options(&own) };
    let (old, _) = open(&short, now - DAY * 9).unwrap();
    let new = old.renewed(now, DAY * 10).unwrap();

    // A crash after the first step: the new bundle beside the old certificate.
    fs::write(own.join(ROOT_CERT), new.roots_pem()).unwrap();
    let between = load(&own, now).unwrap();
    assert_eq!(between.certificate_pem(), old.certificate_pem());
    assert!(trusted(&between, &new));
    fs::write(own.join(CERT_CHAIN), new.certificate_pem()).unwrap();
    load(&own, now).unwrap();

    replace_root(&own, &new).unwrap();
    let (kept, origin) = open(&options(&own), now).unwrap();
    assert_eq!((origin, kept.certificate_pem()), (Origin::Kept, new.certificate_pem()));
    assert_eq!(kept.roots_pem(), new.roots_pem());
    assert_eq!(kept.lifetime().until, new.lifetime().until);
    assert!(trusted(&kept, &old) && trusted(&old, &kept));
    for name in FILES {
        assert_eq!(mode(&own.join(name)), 0o600, "{name}");
    }
    assert_eq!(fs::read_dir(&own).unwrap().count(), FILES.len());

    let stranger = Authority::self_signed("cluster.local", now, DAY).unwrap();
    assert!(matches!(replace_root(&own, &stranger), Err(StoreError::OtherKey(_))));
}
