//! Start and end of the program, and what a broken file does to it.

#![allow(clippy::unwrap_used)] // functions that tests share

mod running;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use running::{Proxy, backend, bootstrap, free_port};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

#[test]
fn a_request_under_way_is_answered_after_sigterm() {
    let backend = backend(|_| {
        std::thread::sleep(Duration::from_millis(700));
        OK.to_owned()
    });
    let proxy = Proxy::start(move |port, admin| bootstrap(port, admin, backend, ""), &[]);
    let mut stream = TcpStream::connect(("127.0.0.1", proxy.port)).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: t\r\n\r\n").unwrap();
    std::thread::sleep(Duration::from_millis(200));
    let waiting = std::thread::spawn(move || {
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    });
    assert_eq!(proxy.terminate(), Some(0));
    let answer = waiting.join().unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(answer.contains("connection: close"), "{answer}");
}

fn refused(text: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("envoy.yaml");
    std::fs::write(&path, text).unwrap();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_weft-proxy"))
        .arg("--config")
        .arg(&path)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn broken_files_are_refused_with_the_place_and_the_field() {
    let good = bootstrap(free_port(), free_port(), 1, "");
    let typo = refused(&good.replace("stat_prefix", "stat_prefx"));
    assert!(typo.contains("stat_prefx") && typo.contains("did you mean stat_prefix"), "{typo}");
    assert!(typo.contains("line "), "{typo}");

    let unsupported = refused(
        &good.replace("stat_prefix: ingress", "stat_prefix: ingress\n          scoped_routes: { name: x }"),
    );
    assert!(unsupported.contains("scoped_routes"), "{unsupported}");

    let half = refused(&good[..good.len() / 2]);
    assert!(half.contains("error") || half.contains("refused"), "{half}");

    let missing = std::process::Command::new(env!("CARGO_BIN_EXE_weft-proxy"))
        .args(["--config", "/nonexistent/envoy.yaml"])
        .output()
        .unwrap();
    assert_eq!(missing.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&missing.stderr).contains("/nonexistent/envoy.yaml"));
}

#[test]
fn a_second_process_on_the_same_loopback_address_fails_loudly() {
    let backend = backend(|_| OK.to_owned());
    let proxy = Proxy::start(move |port, admin| bootstrap(port, admin, backend, ""), &[]);
    let text = refused(&bootstrap(proxy.port, free_port(), backend, ""));
    assert!(text.contains("main") && text.contains(&proxy.port.to_string()), "{text}");
}

#[test]
fn fields_without_effect_are_listed_on_the_admin_page() {
    let backend = backend(|_| OK.to_owned());
    let proxy = Proxy::start(
        move |port, admin| {
            bootstrap(port, admin, backend, "")
                .replace("stat_prefix: ingress", "stat_prefix: ingress\n          tracing: {}")
        },
        &[],
    );
    let page = proxy.admin_get("/unsupported").unwrap();
    assert!(page.contains("tracing") && page.contains("ignored"), "{page}");
}
