//! The filter seam (design 11.2), held by three filters of the open variant: one waits for an outcome
//! from outside, one changes bodies, one replies on the response path.

#![allow(clippy::unwrap_used)] // functions that tests share

mod running;

use std::time::{Duration, Instant};

use running::{Proxy, backend, bootstrap};

fn filter(kind: &str) -> String {
    format!(
        "          - name: {kind}\n            typed_config: {{ \"@type\": type.googleapis.com/xds.type.v3.TypedStruct, type_url: type.googleapis.com/weft.test.{kind}, value: {{}} }}"
    )
}

fn start(kinds: &[&str], answer: impl Fn(&str) -> String + Send + 'static) -> Proxy {
    let backend = backend(answer);
    let filters: Vec<String> = kinds.iter().map(|kind| filter(kind)).collect();
    Proxy::start(move |port, admin| bootstrap(port, admin, backend, &filters.join("\n")), &["--test-filters"])
}

fn get(extra: &str) -> String {
    format!("GET / HTTP/1.1\r\nhost: t\r\nconnection: close\r\n{extra}\r\n")
}

/// The backend shows the request to the client.
fn mirror(request: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{request}", request.len())
}

#[test]
fn a_filter_waits_for_an_outcome_from_outside() {
    let proxy = start(&["Authorize"], mirror);
    let missing = proxy.send(&get(""));
    assert!(missing.starts_with("HTTP/1.1 401 "), "{missing}");
    assert!(missing.ends_with("no token"), "{missing}");

    let denied = proxy.send(&get("x-test-token: bad\r\n"));
    assert!(denied.starts_with("HTTP/1.1 403 "), "{denied}");

    let began = Instant::now();
    let passed = proxy.send(&get("x-test-token: good\r\n"));
    assert!(passed.starts_with("HTTP/1.1 200 "), "{passed}");
    assert!(began.elapsed() >= Duration::from_millis(20), "it waited");
    assert!(passed.contains("x-test-authorized: yes"), "{passed}");
    assert!(!passed.contains("x-test-token"), "{passed}");
}

#[test]
fn a_filter_changes_bodies_both_ways() {
    let proxy = start(&["RewriteBody"], |request| {
        let body = request.rsplit("\r\n\r\n").next().unwrap_or_default();
        let upper = request.contains("HELLO WORLD");
        let answer = format!("UPPER={upper} {body}");
        format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{answer}", answer.len())
    });
    let request = "POST / HTTP/1.1\r\nhost: t\r\nconnection: close\r\ncontent-length: 11\r\n\r\nhello world";
    let answer = proxy.send(request);
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(answer.contains("upper=true"), "{answer}");

    let large = "x".repeat(70_000);
    let request =
        format!("POST / HTTP/1.1\r\nhost: t\r\nconnection: close\r\ncontent-length: 70000\r\n\r\n{large}");
    let answer = proxy.send(&request);
    assert!(answer.starts_with("HTTP/1.1 413 "), "beyond the filter's watermark: {answer}");
}

#[test]
fn a_filter_replies_on_the_response_path_and_order_is_reversed() {
    let proxy = start(&["ReplyOnResponse", "RewriteBody"], |request| {
        let teapot = request.contains("x-teapot");
        let status = if teapot { "418 I'm a teapot" } else { "200 OK" };
        format!("HTTP/1.1 {status}\r\ncontent-length: 5\r\n\r\nHELLO")
    });
    let passed = proxy.send(&get(""));
    assert!(passed.starts_with("HTTP/1.1 200 "), "{passed}");
    assert!(passed.contains("x-test-reply-filter: passed"), "{passed}");
    assert!(passed.contains("hello"), "{passed}");

    let replaced = proxy.send(&get("x-teapot: 1\r\n"));
    assert!(replaced.starts_with("HTTP/1.1 200 "), "{replaced}");
    assert!(replaced.ends_with("no teapots here"), "{replaced}");
}

#[test]
fn a_kind_that_is_not_built_in_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("envoy.yaml");
    std::fs::write(&path, bootstrap(running::free_port(), running::free_port(), 1, &filter("Authorize")))
        .unwrap();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_weft-proxy"))
        .arg("--config")
        .arg(&path)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("weft.test.Authorize"), "{text}");
}

#[test]
fn a_local_rate_limit_lets_its_tokens_pass_and_no_more() {
    let backend = backend(|_| "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".to_owned());
    let limit = "          - name: limit
            typed_config:
              \"@type\": type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit
              stat_prefix: limit
              token_bucket: { max_tokens: 2, tokens_per_fill: 2, fill_interval: 60s }
              filter_enabled: { default_value: { numerator: 100, denominator: HUNDRED } }
              filter_enforced: { default_value: { numerator: 100, denominator: HUNDRED } }";
    let proxy = Proxy::start(move |port, admin| bootstrap(port, admin, backend, limit), &[]);
    let statuses: Vec<String> =
        (0..4).map(|_| proxy.send(&get("")).chars().skip(9).take(3).collect()).collect();
    assert_eq!(statuses, ["200", "200", "429", "429"]);
    let stats = proxy.admin_get("/stats?filter=rate_limit").unwrap();
    assert!(stats.contains("limit.http_local_rate_limit.rate_limited: 2"), "{stats}");
}
