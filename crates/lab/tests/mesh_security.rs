//! Who may speak with whom, on the wire: two sidecars of ours, and two of Envoy under our control plane.
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test")]

use anyhow::{Context, Result, bail, ensure};
use std::net::IpAddr;
use std::time::Duration;
use tokio::time::{Instant, sleep};
use weft_lab::certs::Certs;
use weft_lab::mesh::call::{self, Answer};
use weft_lab::mesh::capture::Capture;
use weft_lab::mesh::load::Load;
use weft_lab::mesh::running::virtual_address;
use weft_lab::mesh::{Mesh, Plan, Proxy};

const TLS_1_3: u16 = 0x0304;
/// How long an edit may take to be in force.
const EDIT: Duration = Duration::from_secs(3);

#[test]
fn weft_proxy_speaks_only_with_those_it_may() {
    run(secure(Proxy::Weft)).expect("weft-proxy");
}

#[test]
fn envoy_speaks_only_with_those_it_may() {
    run(secure(Proxy::Envoy)).expect("Envoy");
}

#[test]
fn certificates_are_renewed_under_load_with_weft_proxy() {
    run(rotations(Proxy::Weft)).expect("weft-proxy");
}

#[test]
fn certificates_are_renewed_under_load_with_envoy() {
    run(rotations(Proxy::Envoy)).expect("Envoy");
}

fn run<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(future)
}

async fn secure(proxy: Proxy) -> Result<()> {
    let plan = Plan {
        workloads: vec![("productpage", "v1"), ("reviews", "v1"), ("ratings", "v1")],
        gateway: false,
        ..Plan::bookinfo(proxy)
    };
    let mesh = Mesh::start(plan).await?;
    let reviews = mesh.workload("reviews-v1")?.host.address;
    only_tls_passes(&mesh, reviews).await.context("what passes the wire")?;
    plain_text_is_refused_when_strict(&mesh, reviews).await.context("STRICT")?;
    a_policy_lets_only_productpage_in(&mesh).await.context("an ALLOW policy")?;
    another_root_is_refused(&mesh, reviews).context("another root")?;
    Ok(())
}

async fn only_tls_passes(mesh: &Mesh, reviews: IpAddr) -> Result<()> {
    let capture = Capture::begin(mesh.hub())?;
    for _ in 0..20 {
        let answer = mesh.get("productpage-v1", "reviews", "/reviews/0", &[("connection", "close")]).await?;
        ensure!(answer.status == 200, "{answer:?}");
    }
    let segments = capture.end()?;
    let with_reviews = |ip: std::net::Ipv4Addr, port: u16| IpAddr::V4(ip) == reviews && port == 9080;
    let seen: Vec<_> = segments
        .iter()
        .filter(|s| with_reviews(s.from.0, s.from.1) || with_reviews(s.to.0, s.to.1))
        .collect();
    ensure!(!seen.is_empty(), "nothing passed the bridge: the capture does not work");
    let hellos: Vec<u16> = seen.iter().filter_map(|segment| segment.server_hello()).collect();
    ensure!(!hellos.is_empty(), "no TLS handshake was seen");
    ensure!(hellos.iter().all(|version| *version == TLS_1_3), "handshakes chose {hellos:x?}");
    let mut flows = std::collections::BTreeSet::new();
    let first = seen.iter().filter(|segment| flows.insert((segment.from, segment.to)));
    for segment in first {
        ensure!(segment.begins_record(), "a connection does not begin with TLS: {segment:?}");
    }
    if let Some(plain) = seen.iter().find(|s| s.holds("HTTP/1.1") || s.holds("podname")) {
        bail!("plain text: {:?}", String::from_utf8_lossy(&plain.payload));
    }
    Ok(())
}

async fn plain_text_is_refused_when_strict(mesh: &Mesh, reviews: IpAddr) -> Result<()> {
    let headers = [("host", "reviews:9080"), ("connection", "close")];
    let ask = || call::get(mesh.outside(), (reviews, 9080).into(), "/reviews/0", &headers);
    let open = ask().await.context("PERMISSIVE takes plain text")?;
    ensure!(open.status == 200, "PERMISSIVE: {open:?}");
    mesh.apply(
        "strict.yaml",
        "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: default}\nspec: {mtls: {mode: STRICT}}\n",
    )?;
    until("plain text is taken although STRICT", || async { ask().await.is_err() }).await?;
    let inside = mesh.get("productpage-v1", "reviews", "/reviews/0", &[("connection", "close")]).await?;
    ensure!(inside.status == 200, "a sidecar is refused: {inside:?}");
    mesh.remove("strict.yaml")?;
    until("plain text is refused although PERMISSIVE", || async {
        ask().await.is_ok_and(|a| a.status == 200)
    })
    .await
}

async fn a_policy_lets_only_productpage_in(mesh: &Mesh) -> Result<()> {
    mesh.apply(
        "policy.yaml",
        "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: reviews}\nspec:\n  \
         selector: {matchLabels: {app: reviews}}\n  action: ALLOW\n  rules:\n  - from:\n    - source: \
         {principals: [cluster.local/ns/default/sa/bookinfo-productpage]}\n",
    )?;
    let ask = |from: &'static str| mesh.get(from, "reviews", "/reviews/0", &[("connection", "close")]);
    let denied = |answer: &Answer| answer.status == 403 && answer.body.contains("RBAC: access denied");
    until("ratings may call reviews", || async { ask("ratings-v1").await.is_ok_and(|a| denied(&a)) }).await?;
    let allowed = ask("productpage-v1").await?;
    ensure!(allowed.status == 200, "productpage may not: {allowed:?}");
    mesh.remove("policy.yaml")?;
    until("ratings stays denied", || async { ask("ratings-v1").await.is_ok_and(|a| a.status == 200) }).await
}

/// A client whose certificate has an identity of this mesh, signed by somebody else.
fn another_root_is_refused(mesh: &Mesh, reviews: IpAddr) -> Result<()> {
    let certs = Certs::make()?;
    let (cert, key) = (certs.cert("client-a"), certs.key("client-a"));
    let request = "GET /reviews/0 HTTP/1.1\\r\\nhost: reviews:9080\\r\\nconnection: close\\r\\n\\r\\n";
    let script = format!(
        "(printf '{request}'; sleep 1) | timeout 5 openssl s_client -connect {reviews}:9080 -alpn istio -ign_eof \
         -cert {} -key {} 2>&1",
        cert.display(),
        key.display()
    );
    let out = mesh.outside().command("sh", None).args(["-c", &script]).output()?;
    let said = String::from_utf8_lossy(&out.stdout);
    ensure!(said.contains("BEGIN CERTIFICATE"), "there was no handshake at all: {said}");
    ensure!(!said.contains("HTTP/1.1 200"), "a foreign certificate got an answer: {said}");
    ensure!(said.contains("alert"), "no alert tells why: {said}");
    Ok(())
}

async fn rotations(proxy: Proxy) -> Result<()> {
    let plan = Plan {
        workloads: vec![("productpage", "v1"), ("reviews", "v1")],
        gateway: false,
        echo: true,
        certificate_seconds: Some(16),
        ..Plan::bookinfo(proxy)
    };
    let mesh = Mesh::start(plan).await?;
    let reviews = mesh.workload("reviews-v1")?.host.address;
    let client = &mesh.workload("productpage-v1")?.host;
    let load = Load::start(client, virtual_address("reviews")?, "reviews:9080", 200)?;
    let mut serials = vec![serial(&mesh, reviews)?];
    let begun = Instant::now();
    while serials.len() < 4 && begun.elapsed() < Duration::from_secs(60) {
        sleep(Duration::from_secs(1)).await;
        let now = serial(&mesh, reviews)?;
        if serials.last() != Some(&now) {
            serials.push(now);
        }
    }
    let tally = load.end().await;
    ensure!(serials.len() == 4, "certificates seen in a minute: {serials:?}");
    ensure!(tally.good > 1000 && tally.failed() == 0, "{tally:?}");
    Ok(())
}

/// Serial number of the certificate that a workload shows now.
fn serial(mesh: &Mesh, to: IpAddr) -> Result<String> {
    let script = format!(
        "timeout 5 openssl s_client -connect {to}:9080 -alpn istio </dev/null 2>/dev/null | openssl x509 -noout -serial"
    );
    let out = mesh.outside().command("sh", None).args(["-c", &script]).output()?;
    let serial = String::from_utf8_lossy(&out.stdout).trim().to_owned();
    ensure!(serial.starts_with("serial="), "no certificate: {}", String::from_utf8_lossy(&out.stderr));
    Ok(serial)
}

/// Waits until something holds.
async fn until<F: Future<Output = bool>>(otherwise: &str, holds: impl Fn() -> F) -> Result<()> {
    let begun = Instant::now();
    while !holds().await {
        if begun.elapsed() > EDIT {
            bail!("{otherwise}");
        }
        sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}
