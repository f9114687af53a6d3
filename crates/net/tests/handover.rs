//! Two processes' worth of sources: the sockets and what waits in their queues change hands.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use weft_net::handover::{HandoverError, Offer, Takeover};
use weft_net::{Address, ListenOptions, ListenerSource, Sharing, SocketKey, Stream, UpstreamSocket};

const SECOND: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(5);

async fn call(to: &Address) -> Stream {
    let mut stream = UpstreamSocket::default().connect(to, SECOND).await.unwrap();
    stream.write_all(b"?").await.unwrap();
    stream
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_connection_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("handover");
    let old = Arc::new(ListenerSource::new());
    let shared = ListenOptions { sharing: Sharing::ReusePort(2), ..ListenOptions::default() };
    let any: std::net::SocketAddr = "127.0.0.1:0".parse().unwrap();
    let tcp = old.open(&SocketKey::new(any), &shared).unwrap();
    let file = folder.path().join("listener");
    let unix = old.open(&SocketKey::new(Address::Unix(file.clone())), &ListenOptions::default()).unwrap();
    let unused = old.open(&SocketKey::new(any), &ListenOptions::default()).unwrap();
    let keys = [&tcp, &unix].map(|b| SocketKey::new(b.local_address().clone()));
    // These wait in the queues over the whole upgrade.
    let mut early = Vec::new();
    for key in keys.iter().cycle().take(8) {
        early.push(call(&key.address).await);
    }

    let offer = Offer::at(&path).unwrap();
    let serving = std::thread::spawn({
        let old = Arc::clone(&old);
        move || offer.serve(&old, PATIENCE).map(|()| offer)
    });
    let new = ListenerSource::new();
    let takeover = Takeover::from(&path, &new, &[], PATIENCE).unwrap().unwrap();
    assert_eq!(takeover.sockets(), 4);
    let bound: Vec<_> = keys.iter().map(|key| new.open(key, &ListenOptions::default()).unwrap()).collect();
    let next = Offer::succeeding(&path).unwrap();
    takeover.ready().unwrap();
    let offer = serving.join().unwrap().unwrap();
    // The old process goes.
    drop((offer, tcp, unix, old));
    assert!(path.exists() && file.exists(), "the successor's files stay");
    assert_eq!(new.close_unclaimed(), [SocketKey::new(unused.local_address().clone())]);

    for bound in &bound {
        let mut acceptor = bound.acceptor(0, 1).unwrap();
        for _ in 0..4 {
            let accepted = tokio::time::timeout(PATIENCE, acceptor.accept()).await;
            let mut stream = accepted.expect("a connection was lost").unwrap().stream;
            assert_eq!(stream.read_u8().await.unwrap(), b'?');
            stream.write_all(b"!").await.unwrap();
        }
    }
    for mut stream in early {
        assert_eq!(stream.read_u8().await.unwrap(), b'!');
    }
    drop((bound, next));
    assert!(!path.exists() && !file.exists(), "now they are nobody's");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_successor_that_dies_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("handover");
    let old = ListenerSource::new();
    let file = folder.path().join("listener");
    let bound = old.open(&SocketKey::new(Address::Unix(file.clone())), &ListenOptions::default()).unwrap();
    let offer = Offer::at(&path).unwrap();
    let dying = std::thread::spawn({
        let path = path.clone();
        move || drop(Takeover::from(&path, &ListenerSource::new(), &[], PATIENCE).unwrap())
    });
    let error = offer.serve(&old, PATIENCE).unwrap_err();
    assert!(matches!(error, HandoverError::System { .. }), "{error}");
    dying.join().unwrap();
    let mut acceptor = bound.acceptor(0, 1).unwrap();
    let _client = call(bound.local_address()).await;
    assert!(acceptor.accept().await.is_ok(), "still served");
    drop((acceptor, bound));
    assert!(!file.exists(), "still answers for its file");
}

#[test]
fn nobody_to_take_over_from() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("handover");
    let source = ListenerSource::new();
    assert!(Takeover::from(&path, &source, &[], PATIENCE).unwrap().is_none());
    // Left behind by a process that died.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let _offer = Offer::at(&path).unwrap();
    assert!(Offer::at(&path).is_err(), "one process at a time");
}

#[test]
fn other_versions_and_nonsense_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("handover");
    let answer = |offer: &Offer, bytes: &'static [u8]| {
        let path = path.clone();
        let caller = std::thread::spawn(move || say(&path, bytes));
        let error = offer.serve(&ListenerSource::new(), PATIENCE).unwrap_err();
        (error, caller.join().unwrap())
    };
    let offer = Offer::at(&path).unwrap();
    let (error, answered) = answer(&offer, b"weft-handover hello lowest=7 highest=9");
    assert!(matches!(error, HandoverError::Version { theirs_min: 7, theirs_max: 9 }), "{error}");
    assert_eq!(answered, b"weft-handover refused lowest=1 highest=1");
    for bytes in [b"weft-handover ready".as_slice(), b"GET / HTTP/1.1", b"\0", &[0xff; 4000]] {
        let (error, answered) = answer(&offer, bytes);
        assert!(matches!(error, HandoverError::Protocol(_)), "{error}");
        assert!(answered.is_empty());
    }
}

/// Sends one message as it stands; returns the answer.
fn say(path: &Path, bytes: &[u8]) -> Vec<u8> {
    let socket = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::SEQPACKET, None).unwrap();
    socket.connect(&socket2::SockAddr::unix(path).unwrap()).unwrap();
    let stream = UnixStream::from(socket);
    std::io::Write::write_all(&mut &stream, bytes).unwrap();
    let mut answer = vec![0; 1000];
    let count = std::io::Read::read(&mut &stream, &mut answer).unwrap_or_default();
    answer.truncate(count);
    answer
}
