//! The mesh on hosts of its own, with our proxy and with real Envoy under our control plane.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::print_stderr, reason = "a test")]

use anyhow::{Result, bail, ensure};
use weft_lab::mesh::bookinfo::{cases, judge};
use weft_lab::mesh::samples::sample;
use weft_lab::mesh::{Mesh, Plan, Proxy};

fn run<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(future)
}

#[test]
fn every_bookinfo_file_does_what_it_says_with_weft_proxy() {
    run(every_file(Proxy::Weft)).expect("weft-proxy");
}

#[test]
fn every_bookinfo_file_does_what_it_says_with_envoy() {
    run(every_file(Proxy::Envoy)).expect("Envoy");
}

async fn every_file(proxy: Proxy) -> Result<()> {
    let mesh = Mesh::start(Plan::bookinfo(proxy)).await?;
    let mut faults = Vec::new();
    // For whoever looks for a fault: only cases with a file of such a name, so many times.
    let only = std::env::var("WEFT_LAB_ONLY").unwrap_or_default();
    let times = std::env::var("WEFT_LAB_TIMES").ok().and_then(|times| times.parse().ok()).unwrap_or(1);
    let chosen = cases().into_iter().filter(|case| case.files.iter().any(|file| file.contains(&only)));
    let chosen: Vec<_> = chosen.collect();
    ensure!(!chosen.is_empty() && times > 0, "no case is chosen");
    let mut without = 0;
    for case in (0..times).flat_map(|_| &chosen) {
        for given in [false, true] {
            if given && sample(case.files[0]).given()?.is_none() {
                without += 1;
                continue;
            }
            if let Err(error) = judge(&mesh, case, given).await {
                faults.push(format!("{} {error:#}", if given { "Istio's" } else { "our" }));
            }
        }
    }
    if without > 0 {
        eprintln!("{without} cases were tried with our own text alone: Istio's is not beside the checkout");
    }
    if !faults.is_empty() {
        bail!("{} claims fail:\n{}", faults.len(), faults.join("\n"));
    }
    Ok(())
}
