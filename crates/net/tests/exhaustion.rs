//! Running out of descriptors. Alone in its program: the limit is the process's.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use weft_net::{ListenOptions, ListenerSource, SocketKey};

#[tokio::test]
async fn accepting_pauses_and_goes_on_when_descriptors_are_back() {
    let any: std::net::SocketAddr = "127.0.0.1:0".parse().unwrap();
    let source = ListenerSource::new();
    let bound = source.open(&SocketKey::new(any), &ListenOptions::default()).unwrap();
    let mut acceptor = bound.acceptor(0, 1).unwrap();
    let clients: Vec<_> =
        (0..3).map(|_| std::net::TcpStream::connect(bound.local_address().ip().unwrap()).unwrap()).collect();
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, 64, hard).unwrap();
    let mut hoard = Vec::new();
    while let Ok(file) = std::fs::File::open("/dev/null") {
        hoard.push(file);
    }
    // One place: one connection.
    hoard.pop();
    let first = acceptor.accept().await.unwrap();
    let short = tokio::time::timeout(Duration::from_millis(100), acceptor.accept()).await;
    assert!(short.is_err(), "no descriptor, no connection");
    assert!((2..20).contains(&acceptor.exhausted()), "{} tries: paused, not spinning", acceptor.exhausted());
    hoard.clear();
    let second = tokio::time::timeout(Duration::from_secs(5), acceptor.accept()).await;
    let third = tokio::time::timeout(Duration::from_secs(5), acceptor.accept()).await;
    let mut found = [first.peer, second.unwrap().unwrap().peer, third.unwrap().unwrap().peer];
    found.sort();
    let mut expected: Vec<_> =
        clients.iter().map(|c| weft_net::Address::Ip(c.local_addr().unwrap())).collect();
    expected.sort();
    assert_eq!(found[..], expected[..]);
}
