//! What is agreed on, what is known of the peer, and resumption.

use rcgen::DnType;
use weft_tables::hcm::Xfcc;
use weft_tables::tls::{TlsVersion, ValidationSource};
use weft_tls::{ConnectOptions, HandshakeError, xfcc};

use crate::pki::{Authority, LeafSpec, workload};
use crate::setup::{LIMIT, acceptor, checked, client, connector, meet, server, trusting};

#[tokio::test]
async fn facts_of_both_sides() {
    let root = Authority::root("Root, Inc");
    let own = workload(&root, "server");
    let spec = LeafSpec {
        subject: &[
            (DnType::CountryName, "DE"),
            (DnType::OrganizationName, "Weft, Inc"),
            (DnType::CommonName, "client"),
        ],
        uris: &["spiffe://cluster.local/ns/default/sa/client"],
        dns: &["a.example", "b.example"],
        serial: Some(0x00f3_0102),
        ..LeafSpec::default()
    };
    let mut server = server(&[&own], checked(trusting(&root)));
    server.common.alpn = vec!["istio".into(), "h2".into()];
    server.require_client_certificate = true;
    let mut client = client(&[&root.leaf(&spec)], checked(trusting(&root)));
    client.common.alpn = vec!["http/1.1".into(), "h2".into()];
    let outcome = meet(&acceptor(&server), &connector(&client), ConnectOptions::default()).await;
    let (at_server, at_client) = (outcome.server.unwrap(), outcome.client.unwrap());
    for facts in [&at_server, &at_client] {
        assert_eq!((facts.version, facts.cipher), ("TLSv1.3", "TLS_AES_128_GCM_SHA256"));
        assert_eq!(facts.alpn.as_deref(), Some("h2"));
        assert_eq!(facts.sni.as_deref(), Some("good.example"));
        assert!(facts.validated && !facts.resumed);
    }
    assert_eq!(at_client.identity().unwrap().service_account.as_ref(), "server");
    let peer = at_server.certificate.as_ref().unwrap();
    assert_eq!(peer.subject, "CN=client,O=Weft\\, Inc,C=DE");
    assert_eq!(peer.issuer, "CN=Root\\, Inc");
    assert_eq!(peer.serial, "f30102");
    assert_eq!(peer.dns_sans, ["a.example", "b.example"]);
    assert_eq!(at_client.local.as_ref().unwrap().fingerprint(), peer.fingerprint());

    let some = Xfcc { subject: true, uri: true, dns: true, ..Xfcc::default() };
    assert_eq!(
        xfcc::element(&at_server, &some).unwrap(),
        format!(
            "By=spiffe://cluster.local/ns/default/sa/server;Hash={};Subject=\"CN=client,O=Weft\\, Inc,C=DE\";\
             URI=spiffe://cluster.local/ns/default/sa/client;DNS=a.example;DNS=b.example",
            peer.fingerprint()
        )
    );
    let all = xfcc::element(&at_server, &Xfcc { cert: true, chain: true, ..Xfcc::default() }).unwrap();
    assert!(all.contains(";Cert=\"-----BEGIN%20CERTIFICATE-----%0A"), "{all}");
    assert!(all.ends_with("-----END%20CERTIFICATE-----%0A\""), "{all}");
    assert_eq!(xfcc::element(&weft_tls::PeerFacts::default(), &some), None);
}

#[tokio::test]
async fn versions_and_suites() {
    let root = Authority::root("Root");
    let own = root.leaf(&LeafSpec { dns: &["good.example"], rsa: true, ..LeafSpec::default() });
    let mut old = server(&[&own], ValidationSource::None);
    old.common.max_version = TlsVersion::V1_2;
    old.common.cipher_suites = vec!["ECDHE-RSA-AES128-GCM-SHA256".into()];
    let ours = client(&[], checked(trusting(&root)));
    let outcome = meet(&acceptor(&old), &connector(&ours), ConnectOptions::default()).await;
    let facts = outcome.client.unwrap();
    assert_eq!((facts.version, facts.cipher), ("TLSv1.2", "ECDHE-RSA-AES128-GCM-SHA256"));

    let mut new = ours.clone();
    new.common.min_version = TlsVersion::V1_3;
    let outcome = meet(&acceptor(&old), &connector(&new), ConnectOptions::default()).await;
    assert_eq!(
        outcome.server.unwrap_err().reason(),
        "TLS_error:|268435696:SSL_routines:OPENSSL_internal:UNSUPPORTED_PROTOCOL:TLS_error_end"
    );
    assert_eq!(
        outcome.client.unwrap_err().reason(),
        "TLS_error:|268436526:SSL_routines:OPENSSL_internal:TLSV1_ALERT_PROTOCOL_VERSION:TLS_error_end"
    );

    let mut odd = ours;
    odd.common.max_version = TlsVersion::V1_2;
    odd.common.cipher_suites = vec!["ECDHE-RSA-CHACHA20-POLY1305".into()];
    let outcome = meet(&acceptor(&old), &connector(&odd), ConnectOptions::default()).await;
    assert_eq!(
        outcome.server.unwrap_err().reason(),
        "TLS_error:|268435640:SSL_routines:OPENSSL_internal:NO_SHARED_CIPHER:TLS_error_end"
    );
}

#[tokio::test]
async fn protocols() {
    let root = Authority::root("Root");
    let mut server = server(&[&workload(&root, "server")], ValidationSource::None);
    server.common.alpn = vec!["h2".into(), "http/1.1".into()];
    let acceptor = acceptor(&server);
    let plain = connector(&client(&[], checked(trusting(&root))));
    let mut configured = client(&[], checked(trusting(&root)));
    configured.common.alpn = vec!["http/1.1".into()];
    let configured = connector(&configured);
    let istio: Vec<Box<str>> = vec!["istio".into()];
    let h2: Vec<Box<str>> = vec!["h2".into()];
    let fallback = ConnectOptions { alpn_fallback: &["h2"], ..ConnectOptions::default() };
    let with = |alpn| ConnectOptions { alpn: Some(alpn), ..ConnectOptions::default() };
    for (connector, options, agreed) in [
        (&plain, ConnectOptions::default(), None),
        (&plain, fallback, Some("h2")),
        (&configured, fallback, Some("http/1.1")),
        (&configured, with(&h2), Some("h2")),
        // Nothing in common: as with Envoy, the connection goes on without.
        (&configured, with(&istio), None),
    ] {
        let outcome = meet(&acceptor, connector, options).await;
        assert_eq!(outcome.server.unwrap().alpn.as_deref(), agreed);
        assert_eq!(outcome.client.unwrap().alpn.as_deref(), agreed);
    }
}

#[tokio::test]
async fn server_names_choose_certificates() {
    let root = Authority::root("Root");
    let leaf = |name: &str, rsa| root.leaf(&LeafSpec { dns: &[name], rsa, ..LeafSpec::default() });
    let (first, wild) = (leaf("first.example", false), leaf("*.example", false));
    let (exact_rsa, exact) = (leaf("exact.example", true), leaf("exact.example", false));
    let mut tls = server(&[&first, &wild, &exact_rsa, &exact], ValidationSource::None);
    let mut ours = client(&[], checked(trusting(&root)));
    ours.sni = "".into();
    ours.auto_host_sni = true;
    let connector = connector(&ours);
    let open = acceptor(&tls);
    tls.require_sni = true;
    let strict = acceptor(&tls);
    for (host, expected, strictly) in [
        ("exact.example", "exact.example", true),
        ("other.example", "*.example", true),
        ("else.org", "first.example", false),
        ("", "first.example", false),
    ] {
        let options = ConnectOptions { host, ..ConnectOptions::default() };
        let outcome = meet(&open, &connector, options).await;
        let facts = outcome.client.unwrap();
        assert_eq!(facts.certificate.unwrap().dns_sans, [expected], "{host}");
        let at_server = outcome.server.unwrap();
        assert_eq!(at_server.local.unwrap().dns_sans, [expected], "{host}");
        assert_eq!(at_server.sni.as_deref(), (!host.is_empty()).then_some(host));
        let outcome = meet(&strict, &connector, options).await;
        assert_eq!(outcome.client.is_ok(), strictly, "{host}");
        if !strictly {
            assert!(matches!(outcome.server, Err(HandshakeError::ServerNameRequired)));
        }
    }
}

#[tokio::test]
async fn names_of_one_connection() {
    let root = Authority::root("Root");
    let acceptor = acceptor(&server(&[&workload(&root, "server")], ValidationSource::None));
    let mut tls = client(&[], checked(trusting(&root)));
    let plain = connector(&tls);
    let with = |names| ConnectOptions { names, ..ConnectOptions::default() };
    for _ in 0..3 {
        // Resumed sessions are held to the names as well.
        let good = meet(&acceptor, &plain, with(&["other.example", "good.example"])).await;
        assert!(good.client.unwrap().validated);
        let bad = meet(&acceptor, &plain, with(&["other.example"])).await;
        assert!(matches!(bad.client, Err(HandshakeError::Refused(_))));
    }
    tls.auto_sni_san_validation = true;
    let by_sni = connector(&tls);
    let sni = |sni| ConnectOptions { sni: Some(sni), ..ConnectOptions::default() };
    assert!(meet(&acceptor, &by_sni, ConnectOptions::default()).await.client.is_ok());
    assert!(meet(&acceptor, &by_sni, sni("other.example")).await.client.is_err());
    let odd = meet(&acceptor, &by_sni, sni("no name")).await;
    assert!(matches!(odd.client, Err(HandshakeError::ServerName(_))));
}

#[tokio::test]
async fn sessions_are_resumed_only_where_they_may_be() {
    let root = Authority::root("Root");
    let mut tls = server(&[&workload(&root, "server")], checked(trusting(&root)));
    tls.require_client_certificate = true;
    for version in [TlsVersion::V1_2, TlsVersion::V1_3] {
        tls.common.max_version = version;
        tls.disable_tickets = false;
        let mut caller = client(&[&workload(&root, "client")], checked(trusting(&root)));
        let keeps = connector(&caller);
        let first = acceptor(&tls);
        assert!(!meet(&first, &keeps, ConnectOptions::default()).await.client.unwrap().resumed);
        let again = meet(&first, &keeps, ConnectOptions::default()).await;
        assert!(again.client.unwrap().resumed, "{version:?}");
        let facts = again.server.unwrap();
        assert!(facts.resumed && facts.validated, "{version:?}");
        assert_eq!(facts.identity().unwrap().service_account.as_ref(), "client");
        // A new build of the same configuration does not take the tickets of the old one.
        let rebuilt = acceptor(&tls);
        assert!(!meet(&rebuilt, &keeps, ConnectOptions::default()).await.client.unwrap().resumed);
        caller.max_session_keys = 0;
        let forgets = connector(&caller);
        tls.disable_tickets = true;
        let stateless = acceptor(&tls);
        for _ in 0..2 {
            assert!(!meet(&rebuilt, &forgets, ConnectOptions::default()).await.client.unwrap().resumed);
            assert!(!meet(&stateless, &keeps, ConnectOptions::default()).await.client.unwrap().resumed);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_peer_costs_no_more_than_the_limit() {
    let root = Authority::root("Root");
    let acceptor = acceptor(&server(&[&workload(&root, "server")], ValidationSource::None));
    let connector = connector(&client(&[], ValidationSource::None));
    let (_near, far) = tokio::io::duplex(1024);
    let error = acceptor.accept(far, LIMIT).await.unwrap_err();
    assert!(error.is_timeout() && error.reason().is_empty(), "{error}");
    let (near, _far) = tokio::io::duplex(1024);
    let error = connector.connect(near, ConnectOptions::default(), LIMIT).await.unwrap_err();
    assert!(error.is_timeout(), "{error}");
}

#[tokio::test]
async fn peers_that_speak_something_else() {
    use tokio::io::AsyncWriteExt;
    let root = Authority::root("Root");
    let acceptor = acceptor(&server(&[&workload(&root, "server")], ValidationSource::None));
    let (mut near, far) = tokio::io::duplex(1024);
    near.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let error = acceptor.accept(far, LIMIT).await.unwrap_err();
    assert!(matches!(error, HandshakeError::Protocol(_)), "{error:?}");
    let (near, far) = tokio::io::duplex(1024);
    drop(near);
    assert!(matches!(acceptor.accept(far, LIMIT).await, Err(HandshakeError::Closed)));
    let connector = connector(&client(&[], ValidationSource::None));
    let (near, mut far) = tokio::io::duplex(4096);
    far.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
    let error = connector.connect(near, ConnectOptions::default(), LIMIT).await.unwrap_err();
    assert_eq!(
        error.reason(),
        "TLS_error:|268435703:SSL_routines:OPENSSL_internal:WRONG_VERSION_NUMBER:TLS_error_end"
    );
}

/// Records of every type with random content: each ends in an error, none in a panic.
#[tokio::test]
async fn garbage_ends_in_an_error() {
    use tokio::io::AsyncWriteExt;
    let root = Authority::root("Root");
    let acceptor = acceptor(&server(&[&workload(&root, "server")], checked(trusting(&root))));
    let connector = connector(&client(&[], checked(trusting(&root))));
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    for round in 0..400_u32 {
        let length = (next() % 600) as u16;
        let mut bytes = vec![20 + (next() % 5) as u8, 3, (next() % 5) as u8];
        bytes.extend(length.to_be_bytes());
        bytes.extend((0..length).map(|_| next() as u8));
        if round % 2 == 0 && length > 4 {
            // A hello of either side by its looks.
            bytes[5..9].copy_from_slice(&[1 + (round % 4 / 2) as u8, 0, 0, (length - 4) as u8]);
        }
        let (mut near, far) = tokio::io::duplex(64 * 1024);
        near.write_all(&bytes).await.unwrap();
        near.shutdown().await.unwrap();
        assert!(acceptor.accept(far, LIMIT).await.is_err());
        let (near, mut far) = tokio::io::duplex(64 * 1024);
        far.write_all(&bytes).await.unwrap();
        far.shutdown().await.unwrap();
        assert!(connector.connect(near, ConnectOptions::default(), LIMIT).await.is_err());
    }
}
