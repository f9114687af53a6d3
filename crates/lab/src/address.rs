//! Loopback addresses of one run, so that runs at the same time never meet.
//!
//! Each process of the oracle owns a /24 inside 127.0.0.0/8, chosen by its pid: proxies and backends
//! listen on `.1`, and the client of each row calls from an address of its own, by which the lines of
//! the access log are told apart even for calls that are not HTTP.

use anyhow::Result;
use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

/// Address on which proxies and backends of this process listen.
pub fn host() -> IpAddr {
    client(1)
}

/// Address from which the client of row `index` calls, and back from an address to the index.
pub fn row(index: usize) -> IpAddr {
    // Worlds have far fewer rows than this; a wrap would mix up log lines, not break anything.
    client(2 + u8::try_from(index % 250).unwrap_or(0))
}

/// `127.a.b.` of this process.
pub fn prefix() -> String {
    let pid = std::process::id();
    format!("127.{}.{}.", 2 + (pid / 250) % 60, 1 + pid % 250)
}

fn client(last: u8) -> IpAddr {
    let text = format!("{}{last}", prefix());
    text.parse().unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST))
}

/// Below the kernel's range for outgoing connections, so that none of those takes a port between here
/// and the proxy's own bind.
const FIRST_PORT: u16 = 10_000;
const PORTS: u16 = 20_000;

static NEXT: AtomicU16 = AtomicU16::new(0);

/// A port that nobody holds on [`host`] and that this process has not handed out before.
///
/// # Errors
/// When no port can be bound.
pub fn free_port() -> Result<u16> {
    for _ in 0..PORTS {
        let port = FIRST_PORT + NEXT.fetch_add(1, Ordering::Relaxed) % PORTS;
        if TcpListener::bind((host(), port)).is_ok() {
            return Ok(port);
        }
    }
    anyhow::bail!("no free port on {}", host())
}
