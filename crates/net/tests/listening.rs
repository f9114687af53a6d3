//! Listening sockets as clients see them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use weft_net::{Address, ListenError, ListenOptions, ListenerSource, Sharing, SocketKey, UpstreamSocket};

const SECOND: Duration = Duration::from_secs(1);

fn key(address: &str) -> SocketKey {
    SocketKey::new(address.parse::<std::net::SocketAddr>().unwrap())
}

async fn connect(to: &Address) -> weft_net::Stream {
    UpstreamSocket::default().connect(to, SECOND).await.unwrap()
}

#[tokio::test]
async fn an_unchanged_key_keeps_its_socket_and_its_queue() {
    let source = ListenerSource::new();
    let first = source.open(&key("127.0.0.1:0"), &ListenOptions::default()).unwrap();
    let real = SocketKey::new(first.local_address().clone());
    // Waits in the queue while the configuration changes.
    let mut early = connect(&real.address).await;
    early.write_all(b"?").await.unwrap();
    let again = source.open(&real, &ListenOptions { backlog: 7, ..ListenOptions::default() }).unwrap();
    assert!(Arc::ptr_eq(&first, &again));
    drop(first);
    let mut acceptor = again.acceptor(0, 1).unwrap();
    drop(again);
    let mut accepted = acceptor.accept().await.unwrap();
    assert_eq!(accepted.peer, early.local_address().unwrap());
    assert_eq!(accepted.stream.read_u8().await.unwrap(), b'?');
    assert!(accepted.stream.tcp().unwrap().nodelay().unwrap(), "inherited from the listening socket");
    // The last holder is gone: so is the socket.
    drop(acceptor);
    let refused = UpstreamSocket::default().connect(&real.address, SECOND).await.unwrap_err();
    assert_eq!(refused.reason(), "delayed_connect_error:_Connection_refused");
}

#[tokio::test]
async fn exclusive_sockets_collide_loudly_and_shared_ones_do_not() {
    let options = ListenOptions::default();
    let mine = ListenerSource::new().open(&key("127.0.0.1:0"), &options).unwrap();
    let taken = SocketKey::new(mine.local_address().clone());
    let shared = ListenOptions { sharing: Sharing::ReusePort(2), ..ListenOptions::default() };
    // Another process is another source.
    for other in [&options, &shared] {
        let error = ListenerSource::new().open(&taken, other).unwrap_err();
        assert!(error.is_address_in_use(), "{error}");
        assert!(error.to_string().contains(&taken.to_string()), "{error}");
    }
    let a = ListenerSource::new().open(&key("127.0.0.1:0"), &shared).unwrap();
    let b = ListenerSource::new().open(&SocketKey::new(a.local_address().clone()), &shared);
    assert!(b.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_socket_is_served_whatever_the_number_of_workers() {
    for (sockets, workers) in [(4, 1), (3, 2), (1, 3), (2, 2)] {
        let source = ListenerSource::new();
        let options = ListenOptions { sharing: Sharing::ReusePort(sockets), ..ListenOptions::default() };
        let bound = source.open(&key("127.0.0.1:0"), &options).unwrap();
        let address = bound.local_address().clone();
        for worker in 0..workers {
            let mut acceptor = bound.acceptor(worker, workers).unwrap();
            tokio::spawn(async move {
                while let Ok(mut accepted) = acceptor.accept().await {
                    accepted.stream.write_all(b"!").await.unwrap();
                }
            });
        }
        for _ in 0..40 {
            let mut stream = connect(&address).await;
            let answer = tokio::time::timeout(5 * SECOND, stream.read_u8()).await;
            assert_eq!(answer.expect("a socket that nobody accepts from").unwrap(), b'!');
        }
    }
}

#[tokio::test]
async fn the_queue_can_be_emptied_before_closing() {
    let source = ListenerSource::new();
    let bound = source.open(&key("127.0.0.1:0"), &ListenOptions::default()).unwrap();
    let mut acceptor = bound.acceptor(0, 1).unwrap();
    let clients = [connect(bound.local_address()).await, connect(bound.local_address()).await];
    let mut found = Vec::new();
    while let Some(accepted) = acceptor.accept_queued() {
        found.push(accepted.peer);
    }
    let mut expected: Vec<_> = clients.iter().map(|c| c.local_address().unwrap()).collect();
    expected.sort();
    found.sort();
    assert_eq!(found, expected);
}

#[tokio::test]
async fn dual_stack_reports_ipv4_peers_as_ipv4() {
    let source = ListenerSource::new();
    let options = ListenOptions { ipv4_compat: true, ..ListenOptions::default() };
    let bound = source.open(&key("[::]:0"), &options).unwrap();
    let port = bound.local_address().ip().unwrap().port();
    let mut acceptor = bound.acceptor(0, 1).unwrap();
    for host in ["127.0.0.1", "::1"] {
        let to = Address::Ip((host.parse::<std::net::IpAddr>().unwrap(), port).into());
        let client = connect(&to).await;
        let accepted = acceptor.accept().await.unwrap();
        assert_eq!(accepted.peer, client.local_address().unwrap());
        assert_eq!(accepted.stream.local_address().unwrap(), to);
    }
    // Without it, IPv4 is not taken.
    let only_v6 = source.open(&key("[::]:0"), &ListenOptions::default()).unwrap();
    let port = only_v6.local_address().ip().unwrap().port();
    let to = Address::Ip(([127, 0, 0, 1], port).into());
    assert!(UpstreamSocket::default().connect(&to, SECOND).await.is_err());
}

#[tokio::test]
async fn unix_sockets_replace_stale_files_but_no_live_ones_and_no_other_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    // Left behind by a process that died.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let source = ListenerSource::new();
    let unix = SocketKey::new(Address::Unix(path.clone()));
    let options = ListenOptions { unix_mode: Some(0o600), ..ListenOptions::default() };
    let bound = source.open(&unix, &options).unwrap();
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let mut acceptor = bound.acceptor(0, 1).unwrap();
    let mut client = connect(&unix.address).await;
    let mut accepted = acceptor.accept().await.unwrap();
    accepted.stream.write_all(b"!").await.unwrap();
    assert_eq!(client.read_u8().await.unwrap(), b'!');
    let error = ListenerSource::new().open(&unix, &options).unwrap_err();
    assert!(error.is_address_in_use(), "{error}");
    drop((bound, acceptor));
    assert!(!path.exists(), "the file goes with the socket");

    std::fs::write(&path, "precious").unwrap();
    assert!(source.open(&unix, &options).unwrap_err().is_address_in_use());
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");

    let long = SocketKey::new(Address::Unix(folder.path().join("x".repeat(120))));
    assert!(matches!(source.open(&long, &options), Err(ListenError::PathTooLong { .. })));
}

#[tokio::test]
async fn abstract_names_need_no_file() {
    let name = format!("@weft-net-test-{}", std::process::id());
    let source = ListenerSource::new();
    let bound = source.open(&SocketKey::new(Address::Unix(name.into())), &ListenOptions::default()).unwrap();
    let mut acceptor = bound.acceptor(0, 1).unwrap();
    let mut client = connect(bound.local_address()).await;
    acceptor.accept().await.unwrap().stream.write_all(b"!").await.unwrap();
    assert_eq!(client.read_u8().await.unwrap(), b'!');
    assert_eq!(client.peer_address().unwrap(), *bound.local_address());
}

#[tokio::test]
async fn freebind_and_foreign_addresses() {
    let source = ListenerSource::new();
    // TEST-NET-1 is on no host.
    let foreign = key("192.0.2.1:0");
    let error = source.open(&foreign, &ListenOptions::default()).unwrap_err();
    assert!(error.to_string().contains("bind"), "{error}");
    assert!(source.open(&foreign, &ListenOptions { freebind: true, ..ListenOptions::default() }).is_ok());
}

#[tokio::test]
async fn source_address_and_timeout_of_connects() {
    let source = ListenerSource::new();
    let bound = source.open(&key("127.0.0.1:0"), &ListenOptions::default()).unwrap();
    let mut acceptor = bound.acceptor(0, 1).unwrap();
    let from = UpstreamSocket { bind: Some(([127, 0, 0, 6], 0).into()), ..UpstreamSocket::default() };
    let _client = from.connect(bound.local_address(), SECOND).await.unwrap();
    let accepted = acceptor.accept().await.unwrap();
    assert_eq!(accepted.peer.ip().unwrap().ip().to_string(), "127.0.0.6");

    // A full queue drops what comes next, so connecting takes for ever.
    let full =
        source.open(&key("127.0.0.1:0"), &ListenOptions { backlog: 0, ..ListenOptions::default() }).unwrap();
    let _fills = connect(full.local_address()).await;
    let limit = Duration::from_millis(300);
    let error = UpstreamSocket::default().connect(full.local_address(), limit).await.unwrap_err();
    assert!(error.is_timeout(), "{error}");
}
