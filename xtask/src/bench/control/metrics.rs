//! What weftd says of itself.

use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::bench::program::address;

/// Counters and gauges by name; those with labels are added up.
#[derive(Debug, Clone, Default)]
pub(super) struct Metrics(BTreeMap<String, f64>);

impl Metrics {
    pub(super) fn of(&self, name: &str) -> f64 {
        self.0.get(name).copied().unwrap_or_default()
    }
}

fn get(port: u16, path: &str) -> Result<String> {
    let mut stream = TcpStream::connect(address(port))?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

pub(super) fn read(port: u16) -> Result<Metrics> {
    let answer = get(port, "/metrics")?;
    let mut all = Metrics::default();
    for line in answer.lines().filter(|line| line.starts_with(['w', 'p'])) {
        let Some((name, value)) = line.rsplit_once(' ') else { continue };
        let name = name.split('{').next().unwrap_or(name);
        if let Ok(value) = value.parse::<f64>() {
            *all.0.entry(name.to_owned()).or_default() += value;
        }
    }
    Ok(all)
}

/// Waits until the pages are served.
pub(super) fn until_ready(port: u16) -> Result<()> {
    let begun = Instant::now();
    while !get(port, "/ready").is_ok_and(|answer| answer.starts_with("HTTP/1.1 200")) {
        if begun.elapsed() > Duration::from_secs(60) {
            bail!("weftd is not ready");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    read(port).context("/metrics").map(drop)
}
