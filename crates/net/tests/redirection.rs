//! Redirected connections in a network namespace of the test's own. Needs root, `ip` and `nft`;
//! without them the tests fail.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use weft_net::{
    Accepted, Address, ListenOptions, ListenerSource, Namespace, SocketKey, UpstreamSocket,
    original_destination,
};

const LIMIT: Duration = Duration::from_secs(5);

/// A namespace with every address reachable through loopback; gone with the value.
struct Lab {
    name: String,
}

impl Lab {
    fn new(label: &str) -> Self {
        let lab = Self { name: format!("weft-net-{label}-{}", std::process::id()) };
        run("ip", &["netns", "add", &lab.name]);
        for command in ["link set lo up", "route add default dev lo", "-6 route add default dev lo"] {
            let words: Vec<_> = ["-n", &lab.name].into_iter().chain(command.split(' ')).collect();
            run("ip", &words);
        }
        lab
    }

    fn nft(&self, rules: &str) {
        let mut nft = Command::new("ip")
            .args(["netns", "exec", &self.name, "nft", "-f", "-"])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        nft.stdin.take().unwrap().write_all(rules.as_bytes()).unwrap();
        assert!(nft.wait().unwrap().success(), "nft refuses: {rules}");
    }

    fn namespace(&self) -> Namespace {
        Namespace::open(&Path::new("/run/netns").join(&self.name)).unwrap()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.name]).status();
    }
}

fn run(program: &str, arguments: &[&str]) {
    let status = Command::new(program).args(arguments).status();
    assert!(status.unwrap().success(), "{program} {arguments:?} failed: these tests need root");
}

fn ip(address: &str) -> Address {
    Address::Ip(address.parse().unwrap())
}

fn destination(accepted: &Accepted, transparent: bool) -> Option<SocketAddr> {
    original_destination(accepted.stream.tcp().unwrap(), accepted.local.unwrap(), transparent).unwrap()
}

#[tokio::test]
async fn a_redirected_connection_knows_where_it_was_going() {
    let lab = Lab::new("redirect");
    lab.nft(
        "table inet t { chain out { type nat hook output priority -100; tcp dport 8080 redirect to :15001; }; }\n",
    );
    let namespace = lab.namespace();
    let source = ListenerSource::new();
    let key = SocketKey { namespace: Some(namespace.clone()), ..SocketKey::new(ip("[::]:15001")) };
    let options = ListenOptions { ipv4_compat: true, ..ListenOptions::default() };
    let bound = source.open(&key, &options).unwrap();
    let mut acceptor = bound.acceptor(0, 1).unwrap();
    let inside = UpstreamSocket { namespace: Some(namespace), ..UpstreamSocket::default() };
    for to in ["203.0.113.7:8080", "[2001:db8::7]:8080"] {
        let _client = inside.connect(&ip(to), LIMIT).await.unwrap();
        let accepted = tokio::time::timeout(LIMIT, acceptor.accept()).await.unwrap().unwrap();
        let found = destination(&accepted, false);
        assert_eq!(found, Some(to.parse().unwrap()));
    }
    // Outside of the namespace nobody listens there.
    let own = ListenerSource::new();
    let here = SocketKey { namespace: None, ..key };
    assert!(own.open(&here, &options).is_ok());
}

#[tokio::test]
async fn a_transparent_socket_takes_connections_to_foreign_addresses() {
    let lab = Lab::new("tproxy");
    lab.nft(
        "table ip t {\n\
         chain out { type route hook output priority mangle; tcp dport 8081 meta mark set 1; }\n\
         chain pre { type filter hook prerouting priority mangle; \
         meta mark 1 tcp dport 8081 tproxy to :15006 accept; }\n}\n",
    );
    for command in ["rule add fwmark 1 lookup 100", "route add local 0.0.0.0/0 dev lo table 100"] {
        let words: Vec<_> = ["-n", &lab.name].into_iter().chain(command.split(' ')).collect();
        run("ip", &words);
    }
    let namespace = lab.namespace();
    let source = ListenerSource::new();
    let key = SocketKey {
        namespace: Some(namespace.clone()),
        transparent: true,
        ..SocketKey::new(ip("0.0.0.0:15006"))
    };
    let bound = source.open(&key, &ListenOptions::default()).unwrap();
    let mut acceptor = bound.acceptor(0, 1).unwrap();
    let inside = UpstreamSocket { namespace: Some(namespace), ..UpstreamSocket::default() };
    let _client = inside.connect(&ip("203.0.113.7:8081"), LIMIT).await.unwrap();
    let accepted = tokio::time::timeout(LIMIT, acceptor.accept()).await.unwrap().unwrap();
    let found = destination(&accepted, true);
    assert_eq!(found, Some("203.0.113.7:8081".parse().unwrap()));
}

#[tokio::test]
async fn a_connection_that_was_not_redirected_has_no_other_destination() {
    let source = ListenerSource::new();
    let bound = source.open(&SocketKey::new(ip("127.0.0.1:0")), &ListenOptions::default()).unwrap();
    let mut acceptor = bound.acceptor(0, 1).unwrap();
    let _client = UpstreamSocket::default().connect(bound.local_address(), LIMIT).await.unwrap();
    let accepted = acceptor.accept().await.unwrap();
    let found = destination(&accepted, false);
    // Where something tracks connections, it knows the address itself.
    assert!(found.is_none() || found == bound.local_address().ip(), "{found:?}");
}

#[test]
fn jobs_run_inside_and_panics_stay_there() {
    let lab = Lab::new("jobs");
    let namespace = lab.namespace();
    assert_eq!(namespace, lab.namespace(), "the same however opened");
    let inside = || std::fs::read_link("/proc/thread-self/ns/net").unwrap();
    assert_ne!(namespace.run(inside).unwrap(), inside());
    assert!(namespace.run(|| panic!("a job's own fault")).is_err());
    assert_ne!(namespace.run(inside).unwrap(), inside(), "a new thread took over");
    assert!(Namespace::open(Path::new("/dev/null")).unwrap().run(|| ()).is_err());
}
