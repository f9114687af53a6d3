//! Contexts over the life of their secrets.

use std::sync::Arc;

use weft_tables::tls::{Secret, SecretSource, ValidationSource};
use weft_tls::{ClientContext, ConnectOptions, ContextError, SecretStore, ServerContext};
use weft_types::Name;

use crate::pki::{Authority, workload};
use crate::setup::{acceptor, checked, client, meet, secret, server, trusting};

fn name(text: &str) -> Name {
    text.into()
}

fn named(text: &str) -> SecretSource {
    SecretSource::Named(name(text))
}

#[tokio::test]
async fn a_context_waits_for_its_secret_and_follows_it() {
    let root = Authority::root("Root");
    let store = Arc::new(SecretStore::new());
    let mut tls = server(&[], ValidationSource::None);
    tls.common.certificates = vec![named("default")];
    let context = Arc::new(ServerContext::new(tls, Arc::clone(&store)));
    let error = context.acceptor().unwrap_err();
    assert!(error.is_pending(), "{error}");
    assert_eq!(error.to_string(), "secret \"default\" has not arrived yet");

    let waiting = tokio::spawn({
        let context = Arc::clone(&context);
        async move { context.ready().await }
    });
    store.set(name("unrelated"), secret(&workload(&root, "x")));
    store.set(name("default"), secret(&workload(&root, "first")));
    let first = waiting.await.unwrap();

    let connector = ClientContext::new(client(&[], checked(trusting(&root))), Arc::clone(&store));
    let account = async |acceptor: &weft_tls::ServerAcceptor| {
        let outcome = meet(acceptor, &connector.connector().unwrap(), ConnectOptions::default()).await;
        outcome.client.unwrap().identity().unwrap().service_account.to_string()
    };
    assert_eq!(account(&first).await, "first");
    // Another secret, or the same one again, rebuilds nothing.
    store.set(name("unrelated"), secret(&workload(&root, "y")));
    assert!(Arc::ptr_eq(&first, &context.acceptor().unwrap()));
    let generation = store.generation();
    store.set(name("unrelated"), store.get(&name("unrelated")).unwrap());
    assert_eq!(store.generation(), generation);

    store.set(name("default"), secret(&workload(&root, "second")));
    assert_eq!(account(&context.acceptor().unwrap()).await, "second");
    assert_eq!(account(&first).await, "first", "who holds the old state can finish with it");

    // Bad or vanished secrets leave what works in place, and say so.
    let bad = Secret::Certificate { chain: b"no".to_vec(), key: b"no".to_vec() };
    store.set(name("default"), Arc::new(bad));
    assert_eq!(account(&context.acceptor().unwrap()).await, "second");
    assert!(matches!(context.error(), Some(ContextError::Pem { .. })), "{:?}", context.error());
    store.remove(&name("default"));
    assert_eq!(account(&context.acceptor().unwrap()).await, "second");
    store.set(name("default"), secret(&workload(&root, "third")));
    assert_eq!(account(&context.acceptor().unwrap()).await, "third");
    assert!(context.error().is_none());
}

#[tokio::test]
async fn combined_validation_takes_roots_from_the_secret_and_checks_from_the_default() {
    use crate::setup::matcher;
    use weft_tables::tls::{SanKind, Validation};
    let (root, other) = (Authority::root("Root"), Authority::root("Other"));
    let store = Arc::new(SecretStore::new());
    let uri = "spiffe://cluster.local/ns/default/sa/server";
    let default = Validation { san_matchers: vec![matcher(SanKind::Uri, uri)], ..Validation::default() };
    let dynamic = named("ROOTCA");
    let tls = client(&[], ValidationSource::Combined { default: Arc::new(default), dynamic });
    let context = ClientContext::new(tls, Arc::clone(&store));
    assert!(context.connector().unwrap_err().is_pending());
    let passes = async |account: &str| {
        let acceptor = acceptor(&server(&[&workload(&root, account)], ValidationSource::None));
        meet(&acceptor, &context.connector().unwrap(), ConnectOptions::default()).await.client.is_ok()
    };
    store.set(name("ROOTCA"), Arc::new(Secret::Validation(trusting(&root))));
    assert!(passes("server").await);
    assert!(!passes("imposter").await);
    store.set(name("ROOTCA"), Arc::new(Secret::Validation(trusting(&other))));
    assert!(!passes("server").await, "a root that is trusted no more");
}

#[test]
fn mistakes_are_named_and_keys_never_shown() {
    let root = Authority::root("Root");
    let (a, b) = (workload(&root, "a"), workload(&root, "b"));
    let mixed = crate::pki::Leaf { chain: a.chain.clone(), key: b.key };
    let build = |secret: Secret| {
        let mut tls = server(&[], ValidationSource::None);
        tls.common.certificates = vec![named("gateway")];
        weft_tls::ServerAcceptor::new(&tls, &|_| Some(Arc::new(secret.clone()))).unwrap_err().to_string()
    };
    let mismatch = build(Secret::clone(&secret(&mixed)));
    assert!(mismatch.starts_with("secret \"gateway\": private key: "), "{mismatch}");
    let kind = build(Secret::Validation(trusting(&root)));
    assert_eq!(kind, "secret \"gateway\": expected a certificate with its key");
    let broken = build(Secret::Certificate { chain: a.chain.into(), key: b"SECRET BYTES".to_vec() });
    assert!(broken.contains("no PEM of a key") && !broken.contains("SECRET BYTES"), "{broken}");
}
