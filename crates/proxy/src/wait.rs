//! `weft-proxy wait`: ends when the proxy of this pod is ready, for pods that hold their application until then
//! (SD-20).

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// Port of readiness (SD-01).
const PORT: u16 = 15021;

/// How long.
#[derive(Debug, clap::Args)]
pub(crate) struct WaitFlags {
    /// Longest wait, seconds.
    #[arg(long = "timeoutSeconds", value_name = "SECONDS", default_value_t = 60)]
    timeout: u64,
    /// Time between two questions, milliseconds.
    #[arg(long = "periodMillis", value_name = "MS", default_value_t = 500)]
    period: u64,
}

/// Waits.
///
/// # Errors
/// The proxy is not ready in time.
pub(crate) fn run(flags: &WaitFlags) -> Result<ExitCode> {
    let end = Instant::now() + Duration::from_secs(flags.timeout.min(3600));
    while !is_ready() {
        if Instant::now() >= end {
            bail!("the proxy is not ready after {} s (127.0.0.1:{PORT}/healthz/ready)", flags.timeout);
        }
        std::thread::sleep(Duration::from_millis(flags.period.clamp(10, 60_000)));
    }
    Ok(ExitCode::SUCCESS)
}

fn is_ready() -> bool {
    let time = Duration::from_secs(1);
    let Ok(mut stream) = TcpStream::connect_timeout(&SocketAddr::from((Ipv4Addr::LOCALHOST, PORT)), time)
    else {
        return false;
    };
    let request = b"GET /healthz/ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let mut head = [0; 12];
    stream.set_read_timeout(Some(time)).is_ok()
        && stream.write_all(request).is_ok()
        && stream.read_exact(&mut head).is_ok()
        && &head == b"HTTP/1.1 200"
}
