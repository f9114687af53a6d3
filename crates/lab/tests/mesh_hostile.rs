//! Hostile and broken input to a running mesh: each gets a clear error, nothing ends, and a load beside
//! it notices nothing.
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test")]

use anyhow::{Context, Result, bail, ensure};
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};
use weft_lab::certs::Certs;
use weft_lab::mesh::load::Load;
use weft_lab::mesh::running::virtual_address;
use weft_lab::mesh::{Mesh, Plan, Proxy};
use weft_lab::netns::Host;

const PATIENCE: Duration = Duration::from_secs(3);

#[test]
fn hostile_input_gets_a_clear_error_and_harms_nobody_else() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(hostile()).expect("hostile input");
}

/// What is to become of some bytes.
#[derive(Debug, Clone, Copy)]
enum Fate {
    /// An answer of the class 4xx.
    Refused,
    /// The connection ends, with or without an answer; no 2xx.
    Ended,
    /// An answer 200: odd, and legal.
    Served,
}

async fn hostile() -> Result<()> {
    let plan = Plan {
        workloads: vec![("productpage", "v1"), ("reviews", "v1")],
        gateway: false,
        echo: true,
        ..Plan::bookinfo(Proxy::Weft)
    };
    let mut mesh = Mesh::start(plan).await?;
    let load = Load::start(
        &mesh.workload("productpage-v1")?.host,
        virtual_address("reviews")?,
        "reviews:9080",
        100,
    )?;
    let reviews = SocketAddr::new(mesh.workload("reviews-v1")?.host.address, 9080);
    let mut faults = Vec::new();
    let mut count = 0;
    for (name, bytes, fate) in requests() {
        count += 1;
        if let Err(error) = send(mesh.outside(), reviews, &bytes, fate) {
            faults.push(format!("{name}: {error:#}"));
        }
    }
    let sockets = [
        ("heads that never end", slow_heads as fn(&Host, SocketAddr) -> Result<()>),
        ("a client that half closes", half_closed),
        ("a storm of resets", resets),
        ("connections that say nothing", silent),
    ];
    for (name, body) in sockets {
        count += 1;
        if let Err(error) = body(mesh.outside(), reviews) {
            faults.push(format!("{name}: {error:#}"));
        }
    }
    for name in ["expired", "rogue", "none"] {
        count += 1;
        if let Err(error) = certificate(mesh.outside(), reviews, name) {
            faults.push(format!("certificate {name}: {error:#}"));
        }
    }
    for (name, text, says) in files() {
        count += 1;
        if let Err(error) = file(&mesh, &text, says).await {
            faults.push(format!("file, {name}: {error:#}"));
        }
    }
    let control = mesh.control_address();
    for bytes in [&b"\x16\x03\x01\xff\xff garbage"[..], &b"GET / HTTP/1.1\r\n\r\n"[..], &[0; 4096]] {
        count += 1;
        if let Err(error) = send(mesh.outside(), control, bytes, Fate::Ended) {
            faults.push(format!("bytes for the control plane: {error:#}"));
        }
    }
    mesh.until_ready().await?;
    mesh.until_synced().await?;
    let tally = load.end().await;
    ensure!(count >= 30, "only {count} inputs");
    ensure!(tally.good > 300 && tally.failed() == 0, "other traffic noticed: {tally:?}");
    ensure!(faults.is_empty(), "{} of {count}:\n{}", faults.len(), faults.join("\n"));
    Ok(())
}

/// Requests, and what is to become of each.
fn requests() -> Vec<(&'static str, Vec<u8>, Fate)> {
    use Fate::{Ended, Refused, Served};
    let head = |rest: &str| format!("GET / HTTP/1.1\r\nhost: reviews:9080\r\n{rest}\r\n").into_bytes();
    let post = |rest: &str| format!("POST / HTTP/1.1\r\nhost: reviews:9080\r\n{rest}").into_bytes();
    let long = "x".repeat(100 << 10);
    let many: String = (0..5000).map(|n| format!("x-{n}: y\r\n")).collect();
    let h2 = |frames: &[u8]| [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0", frames].concat();
    // HEADERS without END_HEADERS, then CONTINUATION frames without end (CVE-2024-27316's shape).
    let flood: Vec<u8> = std::iter::once(&b"\0\0\x01\x01\0\0\0\0\x01\x82"[..])
        .chain(std::iter::repeat_n(&b"\0\0\x05\x09\0\0\0\0\x01\x40\x01a\x01b"[..], 20_000))
        .flatten()
        .copied()
        .collect();
    vec![
        ("a header of 100 KiB", head(&format!("x-long: {long}\r\n")), Refused),
        ("5000 headers", head(&many), Refused),
        ("a path of 100 KiB", format!("GET /{long} HTTP/1.1\r\nhost: a\r\n\r\n").into_bytes(), Refused),
        (
            "length and chunks",
            post("content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"),
            Refused,
        ),
        ("two lengths", post("content-length: 5\r\ncontent-length: 6\r\n\r\nhello!"), Refused),
        ("a length that is no number", post("content-length: five\r\n\r\n"), Refused),
        ("a negative length", post("content-length: -1\r\n\r\n"), Refused),
        ("a length beyond 64 bits", post("content-length: 99999999999999999999999\r\n\r\n"), Refused),
        ("an unknown transfer coding", post("transfer-encoding: chunked, rot13\r\n\r\n"), Ended),
        ("NUL in a value", head("x-a: a\0b\r\n"), Refused),
        ("a bare CR in a value", head("x-a: a\rb\r\n"), Refused),
        ("a space before the colon", head("x-a : b\r\n"), Refused),
        ("a name without a colon", head("nonsense\r\n"), Refused),
        ("no host", b"GET / HTTP/1.1\r\n\r\n".to_vec(), Refused),
        ("two hosts", head("host: other\r\n"), Refused),
        ("HTTP/3.7", b"GET / HTTP/3.7\r\nhost: a\r\n\r\n".to_vec(), Ended),
        ("no HTTP at all", (0..=255).cycle().take(5000).collect(), Ended),
        ("a chunk that is no number", post("transfer-encoding: chunked\r\n\r\nzz\r\n"), Ended),
        ("a chunk beyond 64 bits", post("transfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\n"), Ended),
        (
            "a path with NUL",
            b"GET /%00 HTTP/1.1\r\nhost: reviews:9080\r\nconnection: close\r\n\r\n".to_vec(),
            Refused,
        ),
        (
            "a path upward",
            b"GET /../../etc/passwd HTTP/1.1\r\nhost: reviews:9080\r\nconnection: close\r\n\r\n".to_vec(),
            Served,
        ),
        ("HTTP/2: garbage after the preface", h2(&[0xff; 2000]), Ended),
        ("HTTP/2: CONTINUATION without end", h2(&flood), Ended),
        ("HTTP/2: DATA on stream 0", h2(b"\0\0\x01\0\0\0\0\0\0x"), Ended),
        ("HTTP/2: a window beyond its limit", h2(b"\0\0\x04\x08\0\0\0\0\0\x7f\xff\xff\xff"), Ended),
        (
            "a ClientHello that is garbage",
            [&b"\x16\x03\x01\x00\x0a\x01\0\0\x06"[..], &[0xee; 300]].concat(),
            Ended,
        ),
        (
            "a ClientHello of 15 MB",
            [&b"\x16\x03\x01\x40\0\x01\xee\xee\xee"[..], &[0; 40_000]].concat(),
            Ended,
        ),
    ]
}

fn send(from: &Host, to: SocketAddr, bytes: &[u8], fate: Fate) -> Result<()> {
    let mut stream = dial(from, to)?;
    // The peer may close while we still write.
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    let begun = Instant::now();
    let mut buffer = [0; 4096];
    let ended = loop {
        match stream.read(&mut buffer) {
            Ok(0) => break true,
            Ok(read) => answer.extend_from_slice(buffer.get(..read).unwrap_or_default()),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => break true,
            Err(_) => break false,
        }
        if begun.elapsed() > PATIENCE || answer.len() > 1 << 20 {
            break false;
        }
    };
    let text = String::from_utf8_lossy(&answer);
    let status = text.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)).unwrap_or("none");
    let good = match fate {
        Fate::Refused => status.starts_with('4'),
        Fate::Ended => ended && !status.starts_with('2'),
        Fate::Served => status == "200",
    };
    if !good {
        let start: String = text.chars().take(120).collect();
        bail!("status {status}, {}: {start:?}", if ended { "ended" } else { "still open" });
    }
    Ok(())
}

fn dial(from: &Host, to: SocketAddr) -> Result<TcpStream> {
    let stream = from.enter(|| Ok(TcpStream::connect_timeout(&to, PATIENCE)?))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

fn slow_heads(from: &Host, to: SocketAddr) -> Result<()> {
    let mut streams: Vec<TcpStream> = (0..20).map(|_| dial(from, to)).collect::<Result<_>>()?;
    for byte in b"GET / HTTP/1.1\r\nhost: r" {
        for stream in &mut streams {
            stream.write_all(&[*byte]).context("closed while the head came")?;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

fn half_closed(from: &Host, to: SocketAddr) -> Result<()> {
    let mut stream = dial(from, to)?;
    stream.write_all(b"GET / HTTP/1.1\r\nhost: reviews:9080\r\nconnection: close\r\n\r\n")?;
    stream.shutdown(Shutdown::Write)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).context("neither an answer nor an end")?;
    ensure!(answer.is_empty() || answer.starts_with("HTTP/1.1 200"), "{answer}");
    Ok(())
}

fn resets(from: &Host, to: SocketAddr) -> Result<()> {
    for turn in 0..300_u32 {
        let stream = dial(from, to)?;
        let head: &[u8] =
            if turn % 2 == 0 { b"GET / HT" } else { b"GET / HTTP/1.1\r\nhost: reviews:9080\r\n\r\n" };
        (&stream).write_all(head)?;
        socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO))?;
    }
    Ok(())
}

fn silent(from: &Host, to: SocketAddr) -> Result<()> {
    let streams: Vec<TcpStream> = (0..200).map(|_| dial(from, to)).collect::<Result<_>>()?;
    std::thread::sleep(Duration::from_millis(500));
    drop(streams);
    Ok(())
}

/// A client certificate that must not be taken: out of date, of another root, or none at all.
fn certificate(from: &Host, to: SocketAddr, name: &str) -> Result<()> {
    let certs = Certs::make()?;
    let shown = match name {
        "none" => String::new(),
        name => format!("-cert {} -key {}", certs.cert(name).display(), certs.key(name).display()),
    };
    let script = format!(
        "(printf 'GET / HTTP/1.1\\r\\nhost: reviews:9080\\r\\nconnection: close\\r\\n\\r\\n'; sleep 1) | \
         timeout 5 openssl s_client -connect {to} -alpn istio -ign_eof {shown} 2>&1"
    );
    let out = from.command("sh", None).args(["-c", &script]).output()?;
    let said = String::from_utf8_lossy(&out.stdout);
    ensure!(!said.contains("HTTP/1.1 200"), "it got an answer");
    ensure!(said.contains("alert"), "no alert tells why: {said}");
    Ok(())
}

/// Files, and what the diagnostics say of each.
fn files() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let service = |spec: &str| {
        format!("apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: bad}}\nspec: {spec}\n")
            .into_bytes()
    };
    let laughs: String = (1..12)
        .map(|n| format!("a{n}: &a{n} [*a{0}, *a{0}, *a{0}, *a{0}, *a{0}, *a{0}, *a{0}, *a{0}]\n", n - 1))
        .collect();
    vec![
        ("no YAML", b"apiVersion: [\n}}}: {".to_vec(), "hostile.yaml"),
        ("an unknown field", service("{hosts: [a], htp: []}"), "htp"),
        (
            "an impossible weight",
            service("{hosts: [a], http: [{route: [{destination: {host: a}, weight: -1}]}]}"),
            "weight",
        ),
        (
            "an impossible port",
            service("{hosts: [a], http: [{route: [{destination: {host: a, port: {number: 70000}}}]}]}"),
            "port",
        ),
        (
            "a pattern that is none",
            service(
                "{hosts: [a], http: [{match: [{uri: {regex: '['}}], route: [{destination: {host: a}}]}]}",
            ),
            "regex",
        ),
        ("half a file", service("{hosts: [a], http: [{rou"), "hostile.yaml"),
        ("bytes", (0..=255).cycle().take(2000).collect(), "hostile.yaml"),
        ("aliases that grow without end", format!("a0: &a0 [x, x]\n{laughs}").into_bytes(), "hostile.yaml"),
        ("five megabytes", vec![b'#'; 5 << 20], "hostile.yaml"),
    ]
}

async fn file(mesh: &Mesh, text: &[u8], says: &str) -> Result<()> {
    std::fs::write(mesh.config().join("hostile.yaml"), text)?;
    let begun = Instant::now();
    let verdict = loop {
        let page = mesh.debug("/debug/diagnosticz").await?;
        if page.body.contains("hostile.yaml") && page.body.contains(says) {
            break Ok(());
        }
        if begun.elapsed() > PATIENCE {
            break Err(anyhow::anyhow!("the diagnostics do not name {says}: {}", page.body));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    mesh.remove("hostile.yaml")?;
    verdict
}
