//! Opaque connections between sidecars, on the wire: streams of HBONE between ours, Istio's mutual TLS where
//! Envoy is at one end.
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test")]

use anyhow::{Context, Result, ensure};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};
use weft_lab::mesh::call;
use weft_lab::mesh::capture::Capture;
use weft_lab::mesh::{Mesh, Plan, Proxy};

/// Where ratings is an opaque service.
const LEDGER: (Ipv4Addr, u16) = (Ipv4Addr::new(10, 96, 0, 77), 7000);
const OBJECT: &str = "apiVersion: v1\nkind: Service\nmetadata: {name: a-ledger, namespace: default}\nspec: {clusterIP: \
    10.96.0.77, selector: {app: ratings}, ports: [{name: tcp, port: 7000, targetPort: 9080}]}\n";
const CALLS: usize = 20;

#[test]
fn ours_ride_on_streams() {
    run(opaque(Proxy::Weft, true)).expect("weft-proxy");
}

#[test]
fn envoys_shake_hands_for_each() {
    run(opaque(Proxy::Envoy, false)).expect("Envoy");
}

fn run<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(future)
}

async fn opaque(proxy: Proxy, hbone: bool) -> Result<()> {
    let plan = Plan {
        workloads: vec![("productpage", "v1"), ("ratings", "v1")],
        gateway: false,
        ..Plan::bookinfo(proxy)
    };
    let mesh = Mesh::start(plan).await?;
    mesh.apply("ledger.yaml", OBJECT)?;
    let host = &mesh.workload("productpage-v1")?.host;
    let ratings = mesh.workload("ratings-v1")?.host.address;
    let headers = [("host", "ledger"), ("connection", "close")];
    let ask = || call::get(host, LEDGER.into(), "/ratings/0", &headers);
    let deadline = Instant::now() + Duration::from_secs(15);
    loop {
        // A call that comes too early goes to an address that nobody has, and waits there.
        let answer = timeout(Duration::from_secs(1), ask()).await;
        if matches!(&answer, Ok(Ok(answer)) if answer.status == 200) {
            break;
        }
        ensure!(Instant::now() < deadline, "the opaque service is not served: {answer:?}");
        sleep(Duration::from_millis(50)).await;
    }
    let capture = Capture::begin(mesh.hub())?;
    for _ in 0..CALLS {
        let answer = ask().await.context("an opaque call")?;
        ensure!(answer.status == 200, "{answer:?}");
    }
    let segments = capture.end()?;
    let to = |port: u16| -> BTreeSet<(Ipv4Addr, u16)> {
        let sent = segments.iter().filter(|s| IpAddr::V4(s.to.0) == ratings && s.to.1 == port);
        sent.map(|segment| segment.from).collect()
    };
    if let Some(plain) = segments.iter().find(|s| s.holds("HTTP/1.1") && s.holds("ledger")) {
        anyhow::bail!("plain text passes: {plain:?}");
    }
    let (streams, direct) = (to(15_008).len(), to(9080).len());
    if hbone {
        ensure!((streams, direct) == (1, 0), "{CALLS} calls by {streams} connections, {direct} of their own");
    } else {
        // The end of a call before may still pass.
        ensure!(streams == 0 && direct >= CALLS, "{CALLS} calls: {streams} by HBONE, {direct} of their own");
    }
    Ok(())
}
