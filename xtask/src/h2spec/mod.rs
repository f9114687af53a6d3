//! h2spec, the conformance test of HTTP/2 servers, against real `weft-proxy` listeners.
//!
//! ```text
//! h2spec ──h2c | TLS──► listener ──HTTP/1.1 | HTTP/2──► listener of the same process: a fixed answer
//! ```
//!
//! Each listener is judged by itself: cleartext by prior knowledge with HTTP/1.1 or HTTP/2 to the backend,
//! both scopes of a malformed message, and TLS with ALPN.

mod bootstrap;

use crate::shell::{bounded, command, must};
use anyhow::{Context, Result, bail};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Where the program is kept.
const PROGRAM: &str = "target/tools/h2spec";
/// Where its module is pinned.
const MODULE: &str = "xtask/h2spec";
/// Where the run keeps bootstrap, certificate and what the proxy said.
const FOLDER: &str = "target/h2spec";
/// No whole run takes nearly as long.
const LIMIT: Duration = Duration::from_secs(300);

/// Builds h2spec from its Go module, if it is not there.
pub(crate) fn install() -> Result<()> {
    if Path::new(PROGRAM).exists() {
        return Ok(());
    }
    let mut build = command(&["go", "build", "-o", &format!("../../{PROGRAM}")]);
    build.arg("github.com/summerwind/h2spec/cmd/h2spec").current_dir(MODULE);
    must(build)
}

/// Cases as h2spec counted them.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Tally {
    passed: u64,
    skipped: u64,
    failed: u64,
}

/// Runs all cases, the strict ones too, against each listener; `proxy` is judged instead of the debug
/// build of `weft-proxy`.
pub(crate) fn run_all(proxy: Option<&Path>) -> Result<bool> {
    install()?;
    let proxy = match proxy {
        Some(path) => path.to_owned(),
        None => {
            must(command(&["cargo", "build", "--quiet", "-p", "weft-proxy"]))?;
            "target/debug/weft-proxy".into()
        }
    };
    std::fs::create_dir_all(FOLDER)?;
    let [answers, judged @ ..]: [u16; 5] = free_ports()?;
    let listeners = bootstrap::listeners(judged);
    must_make_certificate()?;
    let path = format!("{FOLDER}/bootstrap.yaml");
    std::fs::write(&path, bootstrap::text(&listeners, answers, FOLDER))?;
    let log = std::fs::File::create(format!("{FOLDER}/proxy.log"))?;
    let mut start = Command::new(&proxy);
    start.args(["--config", &path]).stdout(log.try_clone()?).stderr(log);
    let mut running = Running(start.spawn().with_context(|| format!("starting {}", proxy.display()))?);
    let mut sum = Tally::default();
    for listener in &listeners {
        running.wait_for(listener.port)?;
        println!("h2spec: {}", listener.about);
        let tally = judge(listener.port, listener.tls)?;
        println!(
            "h2spec, {}: {} passed, {} failed, {} skipped",
            listener.name, tally.passed, tally.failed, tally.skipped
        );
        sum.passed += tally.passed;
        sum.failed += tally.failed;
        sum.skipped += tally.skipped;
        if running.0.try_wait()?.is_some() {
            bail!("weft-proxy ended while h2spec ran: see {FOLDER}/proxy.log");
        }
    }
    println!("h2spec: {} passed, {} failed ({} skipped by h2spec)", sum.passed, sum.failed, sum.skipped);
    Ok(sum.failed == 0 && sum.passed > 0)
}

fn must_make_certificate() -> Result<()> {
    let words =
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=h2spec.test -days 7";
    let mut make = command(&["openssl"]);
    make.args(words.split(' ')).args(["-keyout", &format!("{FOLDER}/key.pem")]);
    make.args(["-out", &format!("{FOLDER}/cert.pem")]).stderr(Stdio::null());
    must(make)
}

/// All cases against one port.
fn judge(port: u16, tls: bool) -> Result<Tally> {
    let port = port.to_string();
    let mut words = vec![PROGRAM, "--host", "127.0.0.1", "--port", &port, "--strict", "--timeout", "3"];
    if tls {
        words.extend(["--tls", "--insecure"]);
    }
    let mut spec = bounded(LIMIT, &words);
    let out = spec.output().context("starting h2spec")?;
    let text = String::from_utf8_lossy(&out.stdout);
    let tally = text.lines().rev().find_map(closing_line);
    match tally {
        Some(tally) if tally.failed == 0 => Ok(tally),
        Some(tally) => {
            let failures = text.split("\nFailures:").nth(1).unwrap_or(&text);
            println!("{failures}");
            Ok(tally)
        }
        None => bail!("h2spec did not come to its end:\n{text}"),
    }
}

/// `146 tests, 145 passed, 1 skipped, 0 failed`
fn closing_line(line: &str) -> Option<Tally> {
    let mut parts = line.split(", ").map(|part| part.split_once(' '));
    let mut next = |word: &str| {
        let (number, unit) = parts.next()??;
        (unit == word).then(|| number.parse().ok()).flatten()
    };
    let _all: u64 = next("tests")?;
    Some(Tally { passed: next("passed")?, skipped: next("skipped")?, failed: next("failed")? })
}

/// Ports that are free now.
fn free_ports<const N: usize>() -> Result<[u16; N]> {
    let mut held = Vec::new();
    let mut ports = [0; N];
    for port in &mut ports {
        let socket = TcpListener::bind(("127.0.0.1", 0))?;
        *port = socket.local_addr()?.port();
        held.push(socket);
    }
    Ok(ports)
}

/// A proxy that ends with this value.
struct Running(Child);

impl Running {
    fn wait_for(&mut self, port: u16) -> Result<()> {
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let until = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(address).is_err() {
            if Instant::now() > until || self.0.try_wait()?.is_some() {
                bail!("weft-proxy does not listen on {address}: see {FOLDER}/proxy.log");
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closing_line_is_read() {
        let tally = closing_line("146 tests, 144 passed, 1 skipped, 1 failed");
        assert_eq!(tally, Some(Tally { passed: 144, skipped: 1, failed: 1 }));
        assert_eq!(closing_line("Finished in 2.0 seconds"), None);
    }
}
