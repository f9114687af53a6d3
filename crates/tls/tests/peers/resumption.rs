//! Sessions that are resumed, and those that must not be.

use std::sync::Arc;
use std::time::Duration;

use weft_tables::tls::{Secret, SecretSource, ServerTls, ValidationSource};
use weft_tls::{ClientContext, ConnectOptions, HandshakeError, SecretStore, ServerContext};
use weft_types::Name;

use crate::pki::{Authority, LeafSpec, workload};
use crate::setup::{acceptor, checked, client, connector, meet, secret, server, trusting};

fn named(text: &str) -> SecretSource {
    SecretSource::Named(Name::from(text))
}

fn mutual(root: &Authority) -> ServerTls {
    let mut tls = server(&[&workload(root, "server")], checked(trusting(root)));
    tls.require_client_certificate = true;
    tls
}

/// Each connection leaves a ticket for a next one, so a burst of as many resumes as were there before.
#[tokio::test]
async fn bursts_are_resumed_whole() {
    let root = Authority::root("Root");
    let (server, client) =
        (acceptor(&mutual(&root)), connector(&client(&[&workload(&root, "a")], checked(trusting(&root)))));
    let burst = async || {
        let met = || meet(&server, &client, ConnectOptions::default());
        let (a, b, c, d) = tokio::join!(met(), met(), met(), met());
        let (e, f, g, h) = tokio::join!(met(), met(), met(), met());
        let all = [a, b, c, d, e, f, g, h];
        all.into_iter().filter(|o| o.client.as_ref().unwrap().resumed).count()
    };
    burst().await;
    for _ in 0..3 {
        assert_eq!(burst().await, 8);
    }
}

/// The secrets of both sides change while sessions are remembered.
#[tokio::test]
async fn a_change_of_trust_or_identity_ends_all_sessions() {
    let (root, other) = (Authority::root("Root"), Authority::root("Other"));
    let store = Arc::new(SecretStore::new());
    let set = |name: &str, secret: Secret| store.set(Name::from(name), Arc::new(secret));
    set("ROOTCA", Secret::Validation(trusting(&root)));
    let own = secret(&workload(&root, "server"));
    store.set(Name::from("server"), own);
    store.set(Name::from("client"), secret(&workload(&root, "client")));
    let mut tls = mutual(&root);
    tls.common.certificates = vec![named("server")];
    tls.common.validation = ValidationSource::One(named("ROOTCA"));
    let mut caller = client(&[], ValidationSource::One(named("ROOTCA")));
    caller.common.certificates = vec![named("client")];
    let (server, client) =
        (ServerContext::new(tls, store.clone()), ClientContext::new(caller, store.clone()));
    let call = async || {
        let (server, client) = (server.acceptor().unwrap(), client.connector().unwrap());
        meet(&server, &client, ConnectOptions::default()).await
    };
    assert!(!call().await.client.unwrap().resumed);
    assert!(call().await.client.unwrap().resumed);
    // The client is somebody else now: it must not speak on a session of its former self.
    store.set(Name::from("client"), secret(&workload(&root, "another")));
    let again = call().await;
    assert!(!again.client.unwrap().resumed);
    assert_eq!(again.server.unwrap().identity().unwrap().service_account.as_ref(), "another");
    assert!(call().await.client.unwrap().resumed);
    // Nobody whom the old root vouches for is let in, ticket or not.
    set("ROOTCA", Secret::Validation(trusting(&other)));
    let refused = call().await;
    assert!(refused.server.is_err() && refused.client.is_err());
}

/// A client that kept its tickets meets a server with other roots: the old session is worth nothing.
#[tokio::test]
async fn the_server_refuses_sessions_from_before_its_roots_changed() {
    let (root, other) = (Authority::root("Root"), Authority::root("Other"));
    let store = Arc::new(SecretStore::new());
    store.set(Name::from("ROOTCA"), Arc::new(Secret::Validation(trusting(&root))));
    let mut tls = mutual(&root);
    tls.common.validation = ValidationSource::One(named("ROOTCA"));
    let server = ServerContext::new(tls, store.clone());
    let client = connector(&client(&[&workload(&root, "client")], checked(trusting(&root))));
    let call = async || meet(&server.acceptor().unwrap(), &client, ConnectOptions::default()).await;
    assert!(!call().await.client.unwrap().resumed);
    assert!(call().await.server.unwrap().resumed);
    store.set(Name::from("ROOTCA"), Arc::new(Secret::Validation(trusting(&other))));
    let refused = call().await;
    assert!(matches!(refused.server, Err(HandshakeError::Refused(_))), "{:?}", refused.server);
}

/// A session lives no longer than the certificates that it was opened with, on either side.
#[tokio::test]
async fn sessions_end_with_the_certificates_behind_them() {
    let root = Authority::root("Root");
    let brief = || {
        let uri = "spiffe://cluster.local/ns/default/sa/brief";
        root.leaf(&LeafSpec { uris: &[uri], seconds: Some(3), ..LeafSpec::default() })
    };
    let lasting = connector(&client(&[&workload(&root, "client")], checked(trusting(&root))));
    let passing = connector(&client(&[&brief()], checked(trusting(&root))));
    let server = acceptor(&mutual(&root));
    let brief_server = {
        let mut tls = crate::setup::server(&[&brief()], checked(trusting(&root)));
        tls.require_client_certificate = true;
        acceptor(&tls)
    };
    for resumed in [false, true] {
        assert_eq!(meet(&server, &passing, ConnectOptions::default()).await.server.unwrap().resumed, resumed);
        let at_client = meet(&brief_server, &lasting, ConnectOptions::default()).await.client;
        assert_eq!(at_client.unwrap().resumed, resumed);
    }
    tokio::time::sleep(Duration::from_secs(5)).await;
    let refused = meet(&server, &passing, ConnectOptions::default()).await.server;
    assert!(refused.as_ref().is_err_and(|e| e.to_string().contains("expired")), "{refused:?}");
    let refused = meet(&brief_server, &lasting, ConnectOptions::default()).await.client;
    assert!(refused.as_ref().is_err_and(|e| e.to_string().contains("expired")), "{refused:?}");
}
