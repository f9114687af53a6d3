//! Obtaining and renewing.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use weft_agent::identity::{Certificates, Identity, Proof, obtain};
use weft_ca::{Authority, WorkloadCertificate};
use weft_types::random::SplitMix;

use crate::plane::{Plane, TOKEN, id};

pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// The next certificate.
pub(crate) async fn next(certificates: &mut Certificates) -> Arc<WorkloadCertificate> {
    tokio::time::timeout(PATIENCE, certificates.changed()).await.unwrap().unwrap();
    certificates.borrow_and_update().clone().unwrap()
}

/// What the identity fails of, once it does.
async fn problem(identity: &Identity) -> String {
    let mut problem = identity.problem();
    let found = tokio::time::timeout(PATIENCE, problem.wait_for(Option::is_some)).await.unwrap();
    found.unwrap().clone().unwrap()
}

#[tokio::test]
async fn the_token_gets_the_first_certificate_and_each_certificate_the_next() {
    let plane = Plane::start().await;
    let identity = Identity::start(plane.config(4), SplitMix::new(1));
    let mut certificates = identity.certificates();
    let first = next(&mut certificates).await;
    assert_eq!(first.identity, id("reviews"));
    // From here on the token is of no use to anyone.
    std::fs::write(plane.folder.path().join("token"), "void").unwrap();
    let (second, third) = (next(&mut certificates).await, next(&mut certificates).await);
    assert!(second.chain != first.chain && third.chain != second.chain);
    assert!(SystemTime::now() < second.lifetime.until, "renewed in time");
    let calls = plane.calls.0.lock().unwrap().clone();
    assert_eq!(calls, [Proof::Token, Proof::Certificate, Proof::Certificate]);
}

#[tokio::test]
async fn a_wrong_token_is_named_and_tried_again_until_it_is_right() {
    let plane = Plane::start().await;
    let token = plane.folder.path().join("token");
    std::fs::write(&token, "wrong").unwrap();
    let identity = Identity::start(plane.config(600), SplitMix::new(1));
    let mut certificates = identity.certificates();
    let said = problem(&identity).await;
    let address = plane.address;
    assert_eq!(said, format!("{address} does not take our token: the token is not known"));
    std::fs::write(&token, format!("{TOKEN}\n")).unwrap();
    next(&mut certificates).await;
    assert_eq!(*identity.problem().borrow(), None);
    assert!(plane.connections.load(Ordering::Relaxed) >= 2);
}

#[tokio::test]
async fn another_meshs_root_is_refused_and_nothing_is_told() {
    let plane = Plane::start().await;
    let config = plane.config(600);
    let other = Authority::self_signed("cluster.local", SystemTime::now(), Duration::from_secs(600)).unwrap();
    std::fs::write(&config.server.roots, other.roots_pem()).unwrap();
    let said = obtain(&config, None).await.unwrap_err().to_string();
    assert!(said.contains("belongs to another mesh, or the file is out of date"), "{said}");
    assert!(said.contains(&config.server.roots.display().to_string()), "{said}");
    assert!(plane.calls.0.lock().unwrap().is_empty());
}

#[tokio::test]
async fn what_is_wrong_is_said() {
    let plane = Plane::start().await;
    let mut config = plane.config(600);
    config.server.name = "istiod-other.istio-system.svc".to_owned();
    let said = obtain(&config, None).await.unwrap_err().to_string();
    assert!(said.contains("is not for \"istiod-other.istio-system.svc\""), "{said}");

    let mut config = plane.config(600);
    config.server.roots = plane.folder.path().join("none");
    let said = obtain(&config, None).await.unwrap_err().to_string();
    assert!(said.contains("none: No such file") && said.contains("istio-ca-root-cert"), "{said}");

    let mut config = plane.config(600);
    config.token = plane.folder.path().join("none");
    let said = obtain(&config, None).await.unwrap_err().to_string();
    assert!(said.contains("token file") && said.contains("--token"), "{said}");

    let mut config = plane.config(600);
    config.server.address = "127.0.0.1:1".to_owned();
    let said = obtain(&config, None).await.unwrap_err().to_string();
    assert!(said.starts_with("cannot connect to 127.0.0.1:1: Connection refused"), "{said}");

    // The token says who we are; who says he is another gets no certificate.
    let mut config = plane.config(600);
    config.id = id("admin");
    let said = obtain(&config, None).await.unwrap_err().to_string();
    assert!(said.contains("names [\"spiffe://cluster.local/ns/default/sa/reviews\"]"), "{said}");
    assert!(said.contains("not spiffe://cluster.local/ns/default/sa/admin"), "{said}");
}

#[tokio::test]
async fn a_certificate_of_a_root_that_is_gone_gives_way_to_the_token() {
    let plane = Plane::start().await;
    let first = obtain(&plane.config(600), None).await.unwrap();
    drop(plane);
    let plane = Plane::start().await;
    assert!(obtain(&plane.config(600), Some(&first)).await.is_err());
    assert!(obtain(&plane.config(600), None).await.is_ok());
}
