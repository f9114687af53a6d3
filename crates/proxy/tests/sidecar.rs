//! `weft-proxy sidecar` under a control plane that certifies and configures it, by real TLS.

#![allow(clippy::unwrap_used)] // functions that tests share

mod control;
#[path = "control/load.rs"]
mod load;
#[allow(dead_code)]
#[path = "../../agent/tests/agent/plane.rs"]
mod plane;
mod running;

use std::process::{Child, Command};
use std::sync::Arc;
use std::time::{Duration, Instant};

use control::{cluster, endpoints, listener, routes, set, tls};
use load::{Client, Load, Socket, backend};
use plane::Plane;
use running::free_port;

/// A sidecar with addresses of its own, ended when dropped.
struct Sidecar {
    child: Child,
    ip: &'static str,
}

impl Sidecar {
    /// Certificates live for `ttl` seconds, and are renewed at half of that.
    fn start(plane: &Plane, ip: &'static str, ttl: u32) -> Self {
        Self::with(plane, ip, ttl, "")
    }

    /// The same beside a container with these probes.
    fn with(plane: &Plane, ip: &'static str, ttl: u32, probers: &str) -> Self {
        let folder = plane.folder.path();
        let child = Command::new(env!("CARGO_BIN_EXE_weft-proxy"))
            .arg("sidecar")
            .args(["--discovery", &plane.address.to_string(), "--discovery-name", plane::NAME])
            .args(["--pod-name", "reviews-v1", "--namespace", "default", "--service-account", "reviews"])
            .args(["--ip", ip, "--bind", ip, "--admin", &format!("{ip}:15000")])
            .args(["--interception-mode", "NONE", "--concurrency", "2", "--labels", "app=reviews"])
            .arg("--root-cert")
            .arg(folder.join("root-cert.pem"))
            .arg("--token")
            .arg(folder.join("token"))
            .env("SECRET_TTL", ttl.to_string())
            .env("ISTIO_KUBE_APP_PROBERS", probers)
            .env("TERMINATION_DRAIN_DURATION_SECONDS", "1")
            .spawn()
            .unwrap();
        Self { child, ip }
    }

    fn page(&self, port: u16, path: &str) -> Option<(u16, String)> {
        load::page((self.ip, port), path).ok()
    }

    fn wait_ready(&self) {
        eventually("it is ready", || self.page(15021, "/healthz/ready").is_some_and(|a| a.0 == 200));
    }

    /// How long the workload's certificate lasts, seconds.
    fn certificate_left(&self) -> f64 {
        let (_, page) = self.page(15020, "/stats/prometheus").unwrap();
        let line = page.lines().find(|line| line.starts_with("istio_agent_cert_expiry_seconds")).unwrap();
        line.rsplit(' ').next().unwrap().parse().unwrap()
    }
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn eventually(what: &str, mut test: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !test() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn certificates_rotate_under_load_and_the_control_plane_may_go_away() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let mut plane = runtime.block_on(Plane::start());
    let (front, inner, a) = (free_port(), free_port(), backend("a"));
    let [down, up] = ["Downstream", "Upstream"].map(|side| tls(side, "default", "ROOTCA"));
    plane.resources.send_replace(Arc::new(set([
        cluster("a", ""),
        endpoints("a", &[a]),
        cluster("secure", &up),
        endpoints("secure", &[inner]),
        listener("front", front, "front", ""),
        routes("front", &[("secure", 1)]),
        listener("inner", inner, "inner", &down),
        routes("inner", &[("a", 1)]),
    ])));
    let sidecar = Sidecar::start(&plane, "127.64.77.1", 6);
    sidecar.wait_ready();
    assert_eq!(Client::new(front).get("/").unwrap(), (200, "a".to_owned()));
    assert!(sidecar.page(15090, "/stats/prometheus").unwrap().1.contains("envoy_cluster_"));
    assert_eq!(sidecar.page(15090, "/quitquitquit").unwrap().0, 404);
    assert_eq!(sidecar.page(15021, "/stats").unwrap().0, 404);

    let mut sockets: Vec<Socket> = (0..5).map(|_| Socket::open(front)).collect();
    let load = Load::start(front, 3);
    let (mut rotations, mut before) = (0, sidecar.certificate_left());
    eventually("three rotations", || {
        let left = sidecar.certificate_left();
        assert!(left > 0.0, "the certificate has ended");
        rotations += u32::from(left > before);
        before = left;
        sockets.iter_mut().for_each(Socket::echo);
        rotations >= 3
    });
    runtime.block_on(plane.go_away());
    std::thread::sleep(Duration::from_secs(1));
    load.more(50);
    runtime.block_on(plane.come_back());
    let b = backend("b");
    let mut next = (**plane.resources.borrow()).clone();
    next.generation += 1;
    next.insert(endpoints("a", &[b]));
    plane.resources.send_replace(Arc::new(next));
    eventually("it listens again", || Client::new(front).get("/").unwrap().1 == "b");
    sockets.iter_mut().for_each(Socket::echo);
    assert!(load.end() > 500);
}

#[test]
fn what_is_missing_is_said_with_its_flag_and_a_plane_that_is_not_there_is_waited_for() {
    let output = Command::new(env!("CARGO_BIN_EXE_weft-proxy")).arg("sidecar").env_clear().output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1));
    assert!(text.contains("--ip") && text.contains("INSTANCE_IP"), "{text}");

    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let mut plane = runtime.block_on(Plane::start());
    runtime.block_on(plane.go_away());
    let sidecar = Sidecar::start(&plane, "127.64.77.2", 60);
    eventually("the page is there", || sidecar.page(15021, "/healthz/ready").is_some_and(|a| a.0 == 503));
    eventually("it says why", || {
        sidecar.page(15000, "/xds").is_some_and(|a| a.1.contains("refused") || a.1.contains("token"))
    });
}

#[test]
fn the_applications_probes_are_answered_before_there_is_a_control_plane() {
    let output = Command::new(env!("CARGO_BIN_EXE_weft-proxy"))
        .args(["sidecar", "--pod-name", "a", "--namespace", "b", "--ip", "127.64.77.3"])
        .env_clear()
        .env("ISTIO_KUBE_APP_PROBERS", r#"{"/app-health/web/livez":{"tcpSocket":{"port":"http"}}}"#)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(
        text.contains("ISTIO_KUBE_APP_PROBERS: /app-health/web/livez: tcpSocket.port: wanted a number"),
        "{text}"
    );

    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let mut plane = runtime.block_on(Plane::start());
    runtime.block_on(plane.go_away());
    // The sidecar's own admin page is the application.
    let sidecar = Sidecar::with(
        &plane,
        "127.64.77.3",
        60,
        r#"{"/app-health/web/livez": {"httpGet": {"port": 15000, "path": "/help"}},
            "/app-health/web/readyz": {"httpGet": {"port": 15000, "path": "/healthz/ready"}},
            "/app-lifecycle/web/poststartz": {"tcpSocket": {"port": 9}}}"#,
    );
    eventually("it listens", || sidecar.page(15020, "/app-health/web/livez").is_some());
    let live = sidecar.page(15020, "/app-health/web/livez").unwrap();
    assert!(live.0 == 200 && live.1.starts_with("admin page of weft-proxy"), "{live:?}");
    assert_eq!(sidecar.page(15020, "/app-health/web/readyz").unwrap().0, 503);
    assert_eq!(sidecar.page(15020, "/app-lifecycle/web/poststartz").unwrap().0, 500);
    assert_eq!(sidecar.page(15020, "/app-health/other/readyz").unwrap().0, 400);
    // Not where others look.
    assert_eq!(sidecar.page(15021, "/app-health/web/livez").unwrap().0, 404);
}
