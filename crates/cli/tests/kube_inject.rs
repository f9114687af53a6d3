//! `weft kube-inject` on Istio's Bookinfo shape and on files that are none.
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test")]

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

fn inject(text: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_weft"))
        .args(["kube-inject", "-f", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("weft");
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

const TEXT: &str = "apiVersion: v1\nkind: Service\nmetadata: {name: web} # kept\n---\napiVersion: apps/v1\nkind: Deployment\n\
    metadata: {name: web}\nspec:\n  template:\n    metadata: {labels: {app: web}}\n    spec: {containers: [{name: web, image: w}]}\n";

#[test]
fn a_deployment_gets_a_sidecar_once_and_a_service_stays() {
    let once = inject(TEXT);
    assert!(once.status.success(), "{}", String::from_utf8_lossy(&once.stderr));
    let once = String::from_utf8(once.stdout).unwrap();
    assert!(once.contains("# kept") && once.contains("istio-proxy"), "{once}");
    assert_eq!(String::from_utf8(inject(&once).stdout).unwrap(), once);
}

#[test]
fn what_is_wrong_is_named() {
    let done = inject("kind: Deployment\nmetadata: {name: web}\nspec: {}\n");
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(!done.status.success() && said.contains("document 1: Deployment web"), "{said}");
    assert!(!inject("a: [").status.success());
}
