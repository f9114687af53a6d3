//! Loopback addresses of one run, so that runs at the same time never meet.
//!
//! Each process of the oracle owns a /24 inside 127.0.0.0/8, chosen by its pid: proxies and backends
//! listen on `.1`, and the client of each row calls from an address of its own, by which the lines of
//! the access log are told apart even for calls that are not HTTP.

use anyhow::{Context, Result};
use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::sync::Mutex;

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

static HANDED_OUT: Mutex<Option<HashSet<u16>>> = Mutex::new(None);

/// A port that nobody holds on [`host`] and that this process has not handed out before.
///
/// # Errors
/// When no port can be bound.
pub fn free_port() -> Result<u16> {
    for _ in 0..1000 {
        let port = TcpListener::bind((host(), 0)).context("binding a free port")?.local_addr()?.port();
        let mut handed_out = HANDED_OUT.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if handed_out.get_or_insert_default().insert(port) {
            return Ok(port);
        }
    }
    anyhow::bail!("no free port on {}", host())
}
