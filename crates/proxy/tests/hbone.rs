//! HBONE seen from outside: two proxies of ours with real clients, servers and bytes.

#![allow(clippy::unwrap_used)] // functions that tests share

mod mesh;
mod running;

use std::collections::BTreeSet;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use mesh::{admin, client_tls, cluster, node, server_tls, tcp_listener};
use running::{Proxy, free_port};

const HOST: &str = "store.shop.svc.cluster.local";
const PATIENCE: Duration = Duration::from_secs(10);

/// Two proxies: a client's, on `port`, and a server's, where `hbone` takes streams and `inbound` others.
struct Pair {
    client: Proxy,
    server: Proxy,
    hbone: u16,
    inbound: u16,
    dir: tempfile::TempDir,
}

fn bootstrap(head: &str, listeners: &[String], clusters: &[String]) -> String {
    let all = |parts: &[String]| -> String {
        let lines = parts.iter().flat_map(|part| part.lines());
        // Who looks at a client's first bytes waits for them, and here the server may speak first.
        let lines = lines.filter(|line| !line.contains("listener_filters:"));
        lines.map(|line| format!("  {line}\n")).collect()
    };
    format!("{head}static_resources:\n  listeners:\n{}  clusters:\n{}", all(listeners), all(clusters))
}

/// The listener where HBONE ends.
fn terminating(port: u16, tls: &str) -> String {
    format!(
        "- name: hbone
  address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}
  filter_chains:
  - {tls}
    filters:
    - {{name: weft.filters.network.hbone, typed_config: {{'@type': type.googleapis.com/weft.hbone.v1.Terminate, stat_prefix: hbone}}}}\n"
    )
}

/// The transport of an endpoint whose proxy takes HBONE on that port, around one of TLS.
fn by_hbone(port: u16, tls: &str) -> String {
    format!(
        "transport_socket: {{name: weft.transport_sockets.hbone, typed_config: {{'@type': type.googleapis.com/weft.hbone.v1.Upstream,
      port: {port}, {tls}}}}}"
    )
}

fn server_side(files: &mesh::pki::Files, log: &Path, ports: (u16, Option<u16>, u16), app: u16) -> String {
    let (inbound, hbone, admin_port) = ports;
    let tls = server_tls(files, "istio");
    let mut listeners = vec![tcp_listener(("inbound", "INBOUND", inbound), "app", &tls, log)];
    listeners.extend(hbone.map(|port| terminating(port, &server_tls(files, "h2"))));
    bootstrap(
        &(node("store-v1", "store", "v1") + &admin(admin_port)),
        &listeners,
        &[cluster("app", HOST, app, "", "")],
    )
}

impl Pair {
    fn start(account: &str, app: u16) -> Self {
        Self::with(account, app, true)
    }

    fn with(account: &str, app: u16, takes_hbone: bool) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let files = mesh::pki::issue(dir.path(), &[account, "store"]);
        let (hbone, logs) = (free_port(), [dir.path().join("client.log"), dir.path().join("server.log")]);
        let server = Proxy::start(
            |port, admin| server_side(&files[1], &logs[1], (port, takes_hbone.then_some(hbone), admin), app),
            &[],
        );
        let inbound = server.port;
        let client = Proxy::start(
            |port, admin_port| {
                let tls = by_hbone(hbone, &client_tls(&files[0], "istio"));
                bootstrap(
                    &(node("shop-v1", "shop", "v1") + &admin(admin_port)),
                    &[tcp_listener(("outbound", "OUTBOUND", port), "store", "name: out", &logs[0])],
                    &[cluster("store", HOST, inbound, "store-v1;shop;store;v1;Kubernetes", &tls)],
                )
            },
            &[],
        );
        Self { client, server, hbone, inbound, dir }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(("127.0.0.1", self.client.port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// The lines of a log, once there are so many.
    fn lines(&self, log: &str, count: usize) -> Vec<String> {
        let path = self.dir.path().join(log);
        let deadline = Instant::now() + PATIENCE;
        loop {
            let lines: Vec<String> =
                std::fs::read_to_string(&path).unwrap_or_default().lines().map(ToOwned::to_owned).collect();
            if lines.len() >= count {
                return lines;
            }
            assert!(Instant::now() < deadline, "{} lines in {log}: {lines:?}", lines.len());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Established connections that came in on a port of this host.
fn connections(port: u16) -> usize {
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let local = format!("0100007F:{port:04X}");
    // A table that changes while it is read may tell of a connection twice.
    let established: BTreeSet<&str> = table
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace().skip(1);
            let (here, there, state) = (words.next()?, words.next()?, words.next()?);
            (here == local && state == "01").then_some(there)
        })
        .collect();
    established.len()
}

/// A server that handles each connection on a thread; counts them.
fn application(handle: impl Fn(TcpStream) + Send + Sync + 'static) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (port, seen) = (listener.local_addr().unwrap().port(), Arc::new(AtomicUsize::new(0)));
    let (handle, counted) = (Arc::new(handle), seen.clone());
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            counted.fetch_add(1, Ordering::SeqCst);
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            let handle = handle.clone();
            std::thread::spawn(move || handle(stream));
        }
    });
    (port, seen)
}

fn echo(mut stream: TcpStream) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(count @ 1..) = stream.read(&mut buffer) {
        if stream.write_all(&buffer[..count]).is_err() {
            return;
        }
    }
}

/// Makes closing send a reset.
fn reset_on_close(stream: &TcpStream) {
    let linger = nix::libc::linger { l_onoff: 1, l_linger: 0 };
    nix::sys::socket::setsockopt(stream, nix::sys::socket::sockopt::Linger, &linger).unwrap();
}

fn round_trip(stream: &mut TcpStream, text: &[u8]) {
    stream.write_all(text).unwrap();
    let mut back = vec![0; text.len()];
    stream.read_exact(&mut back).unwrap();
    assert_eq!(back, text);
}

/// Bytes that tell when one is lost or moved.
fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at * 31 + at / 251) as u8).collect()
}

#[test]
fn an_end_of_one_way_passes_and_all_bytes_are_counted() {
    const SENT: usize = 3_000_000;
    // Reads all, then answers twice as much.
    let (app, _) = application(|mut stream| {
        let mut all = Vec::new();
        stream.read_to_end(&mut all).unwrap();
        assert_eq!(all, pattern(SENT));
        stream.write_all(&all).unwrap();
        stream.write_all(&all).unwrap();
    });
    let pair = Pair::start("shop", app);
    let mut stream = pair.connect();
    stream.write_all(&pattern(SENT)).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert_eq!(answer.len(), 2 * SENT);
    assert!(answer[..SENT] == pattern(SENT) && answer[SENT..] == pattern(SENT));
    assert_eq!((connections(pair.hbone), connections(pair.inbound)), (1, 0));
    for log in ["client.log", "server.log"] {
        let line = pair.lines(log, 1).remove(0);
        assert!(line.contains(&format!(" {SENT} {} ", 2 * SENT)), "{log}: {line}");
    }
    // To the server's proxy it is a connection to the port, by the client's own address.
    let line = pair.lines("server.log", 1).remove(0);
    let client = stream.local_addr().unwrap();
    assert!(line.contains(&format!(" 127.0.0.1:{} {client} ", pair.inbound)), "{line}");
}

#[test]
fn a_server_may_speak_first_and_end_first() {
    let (app, _) = application(|mut stream| {
        stream.write_all(b"220 ready\r\n").unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).unwrap();
        assert_eq!(rest, b"after");
    });
    let pair = Pair::start("shop", app);
    let mut stream = pair.connect();
    let mut greeting = Vec::new();
    stream.read_to_end(&mut greeting).unwrap();
    assert_eq!(greeting, b"220 ready\r\n");
    stream.write_all(b"after").unwrap();
    drop(stream);
    let line = pair.lines("server.log", 1).remove(0);
    assert!(line.contains(" 5 11 "), "{line}");
}

#[test]
fn resets_pass_both_ways() {
    let (app, _) = application(|mut stream| {
        let mut word = [0; 5];
        stream.read_exact(&mut word).unwrap();
        if &word == b"break" {
            reset_on_close(&stream);
            return;
        }
        stream.write_all(b"ready").unwrap();
        let error = stream.read(&mut word).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        BROKEN.fetch_add(1, Ordering::SeqCst);
    });
    static BROKEN: AtomicUsize = AtomicUsize::new(0);
    let pair = Pair::start("shop", app);
    let mut stream = pair.connect();
    stream.write_all(b"break").unwrap();
    assert_eq!(stream.read(&mut [0; 8]).unwrap_err().kind(), ErrorKind::ConnectionReset);

    let mut stream = pair.connect();
    stream.write_all(b"stays").unwrap();
    stream.read_exact(&mut [0; 5]).unwrap();
    reset_on_close(&stream);
    drop(stream);
    let deadline = Instant::now() + PATIENCE;
    while BROKEN.load(Ordering::SeqCst) == 0 {
        assert!(Instant::now() < deadline, "the server saw no reset");
        std::thread::sleep(Duration::from_millis(10));
    }
    // The connection beneath outlives both.
    round_trip_once(&pair);
}

/// One more connection, which the application above resets.
fn round_trip_once(pair: &Pair) {
    let mut stream = pair.connect();
    stream.write_all(b"break").unwrap();
    assert!(stream.read(&mut [0; 8]).is_err());
    assert_eq!(connections(pair.hbone), 1);
}

#[test]
fn many_connections_share_few() {
    const MANY: usize = 200;
    let (app, seen) = application(echo);
    let pair = Pair::start("shop", app);
    let mut open: Vec<TcpStream> = (0..MANY).map(|_| pair.connect()).collect();
    for (number, stream) in open.iter_mut().enumerate() {
        round_trip(stream, format!("hello from {number}").as_bytes());
    }
    assert_eq!(seen.load(Ordering::SeqCst), MANY);
    let carrying = connections(pair.hbone);
    assert!((2..=3).contains(&carrying), "{MANY} connections by {carrying}, at most 100 on each");
    assert_eq!(connections(pair.inbound), 0);
    // The next ones find the same, once these have ended.
    drop(open);
    pair.lines("server.log", MANY);
    pair.lines("client.log", MANY);
    for _ in 0..MANY {
        round_trip(&mut pair.connect(), b"again");
    }
    assert!(connections(pair.hbone) <= carrying);
    // And the server's proxy has counted each of them as a connection of its own, and as a stream.
    pair.lines("server.log", 2 * MANY);
    let counters = pair.server.admin_get("/stats?filter=http.hbone").unwrap();
    for (name, value) in [("rq_total", 2 * MANY), ("rq_2xx", 2 * MANY), ("rq_4xx", 0)] {
        let line = format!("http.hbone.downstream_{name}: {value}\n");
        assert!(counters.contains(&line), "{line} in {counters}");
    }
}

#[test]
fn a_connection_that_drains_lets_its_streams_end_and_takes_no_more() {
    let (app, _) = application(echo);
    let pair = Pair::start("shop", app);
    let mut open = pair.connect();
    round_trip(&mut open, b"before");
    let order = pair.server.admin_post("/drain_listeners?graceful");
    assert!(order.starts_with("HTTP/1.1 200"), "{order}");
    // Longer than from the warning to the last call.
    for _ in 0..3 {
        std::thread::sleep(Duration::from_millis(500));
        round_trip(&mut open, b"a stream of a connection that goes away");
    }
    assert_eq!(connections(pair.hbone), 1);
    // Nobody listens there any more, and the connection that is left takes no stream.
    let mut late = pair.connect();
    let _ = late.write_all(b"too late");
    let mut answer = Vec::new();
    let _ = late.read_to_end(&mut answer);
    assert!(answer.is_empty(), "{answer:?}");
    round_trip(&mut open, b"still");
    drop(open);
    let deadline = Instant::now() + PATIENCE;
    while connections(pair.hbone) > 0 {
        assert!(Instant::now() < deadline, "the connection stays without a stream");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn policies_of_the_chain_hold_for_each_stream() {
    let (app, seen) = application(echo);
    let pair = Pair::start("guest", app);
    for _ in 0..3 {
        let mut stream = pair.connect();
        let _ = stream.write_all(b"let me in");
        let mut answer = Vec::new();
        // Refused: an end or a reset, and never a byte.
        let _ = stream.read_to_end(&mut answer);
        assert!(answer.is_empty());
    }
    assert_eq!(seen.load(Ordering::SeqCst), 0, "the application was called");
    let lines = pair.lines("server.log", 3);
    assert!(
        lines[0].contains("rbac_access_denied_matched_policy[ns[shop]-policy[no_guests]-rule[0]]"),
        "{lines:?}"
    );
    assert_eq!(connections(pair.hbone), 1);
}

#[test]
fn where_nobody_takes_hbone_the_endpoint_itself_is_called() {
    let (app, _) = application(echo);
    let pair = Pair::with("shop", app, false);
    let mut open: Vec<TcpStream> = (0..5).map(|_| pair.connect()).collect();
    open.iter_mut().for_each(|stream| round_trip(stream, b"by mutual TLS of its own"));
    assert_eq!((connections(pair.hbone), connections(pair.inbound)), (0, 5));
}

#[test]
fn a_reader_that_stalls_holds_up_its_own_connection_alone() {
    // Whoever begins with `s` is never read again.
    let (app, _) = application(|mut stream| {
        let mut first = [0; 1];
        stream.read_exact(&mut first).unwrap();
        if first == *b"s" {
            std::thread::sleep(Duration::from_secs(20));
            return;
        }
        stream.write_all(&first).unwrap();
        echo(stream);
    });
    let pair = Pair::start("shop", app);
    let mut quick = pair.connect();
    round_trip(&mut quick, b"q");
    let stalled: Vec<TcpStream> = (0..20)
        .map(|_| {
            let mut stream = pair.connect();
            stream.set_nonblocking(true).unwrap();
            let (piece, deadline) = (vec![b's'; 256 * 1024], Instant::now() + Duration::from_millis(300));
            // Until nothing more is taken.
            while Instant::now() < deadline {
                match stream.write(&piece) {
                    Ok(_) => {}
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {
                        std::thread::sleep(Duration::from_millis(5));
                    }
                    Err(error) => panic!("{error}"),
                }
            }
            stream
        })
        .collect();
    for _ in 0..10 {
        let began = Instant::now();
        round_trip(&mut quick, &pattern(100_000));
        assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    }
    assert_eq!(connections(pair.hbone), 1);
    drop(stalled);
}

#[test]
fn an_application_that_is_gone_is_told_as_such() {
    let pair = Pair::start("shop", free_port());
    let mut stream = pair.connect();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    assert!(answer.is_empty());
    let line = pair.lines("client.log", 1).remove(0);
    assert!(line.contains("UF") && line.contains("503"), "{line}");
}

#[test]
fn who_is_not_of_the_mesh_gets_no_further_than_the_handshake() {
    let (app, seen) = application(echo);
    let pair = Pair::start("shop", app);
    let foreign = tempfile::tempdir().unwrap();
    let files = mesh::pki::issue(foreign.path(), &["shop"]);
    // Its own root, so that it would take ours for nobody; its server check is off by taking both roots.
    let both =
        [std::fs::read(&files[0].roots).unwrap(), std::fs::read(pair.dir.path().join("roots.pem")).unwrap()];
    std::fs::write(&files[0].roots, both.concat()).unwrap();
    let (hbone, inbound) = (pair.hbone, pair.inbound);
    let client = Proxy::start(
        |port, admin_port| {
            let tls = by_hbone(hbone, &client_tls(&files[0], "istio"));
            bootstrap(
                &(node("shop-v1", "shop", "v1") + &admin(admin_port)),
                &[tcp_listener(
                    ("outbound", "OUTBOUND", port),
                    "store",
                    "name: out",
                    &foreign.path().join("log"),
                )],
                &[cluster("store", HOST, inbound, "", &tls)],
            )
        },
        &[],
    );
    let address: SocketAddr = ([127, 0, 0, 1], client.port).into();
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let _ = stream.write_all(b"hello");
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    assert!(answer.is_empty());
    assert_eq!(seen.load(Ordering::SeqCst), 0);
    drop(pair.server);
}
