//! Requests one after another, so that each takes the same way.

use crate::bench::generate;
use crate::bench::ground::Ground;
use crate::bench::pki;
use crate::bench::program::address;
use anyhow::{Result, bail};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// What the requests are.
#[derive(Debug, Clone, Copy)]
pub(super) enum Drive {
    /// HTTP/1.1; on one connection, or each on a new one.
    Http1 { new: bool },
    /// HTTP/2 on one connection.
    Http2,
    /// Mutual TLS with one request on each connection.
    Handshake { resumed: bool },
}

const REQUEST: &[u8] = b"GET /body HTTP/1.1\r\nhost: bench\r\nuser-agent: bench\r\naccept: */*\r\n\r\n";
/// The backend's answers end with this.
const END: &[u8] = b"\r\n\r\nok";

impl Drive {
    /// Does so many requests.
    ///
    /// # Errors
    /// When one fails.
    pub(super) fn run(self, ground: &Ground, port: u16, requests: u64) -> Result<()> {
        match self {
            Self::Http1 { new } => {
                let mut stream = connect(port)?;
                for _ in 0..requests {
                    if new {
                        drop(std::mem::replace(&mut stream, connect(port)?));
                    }
                    one(&mut stream)?;
                }
                Ok(())
            }
            Self::Http2 => generate::calls(port, requests),
            Self::Handshake { resumed } => {
                pki::issue(ground, "client")?;
                generate::shake_hands(port, requests, resumed, &ground.dir)
            }
        }
    }
}

fn connect(port: u16) -> Result<TcpStream> {
    let stream = TcpStream::connect(address(port))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    Ok(stream)
}

fn one(stream: &mut TcpStream) -> Result<()> {
    stream.write_all(REQUEST)?;
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    while !answer.ends_with(END) {
        match stream.read(&mut buffer)? {
            0 => bail!("closed after {:?}", String::from_utf8_lossy(&answer)),
            read => answer.extend_from_slice(&buffer[..read]),
        }
    }
    if answer.starts_with(b"HTTP/1.1 200") { Ok(()) } else { bail!("{}", String::from_utf8_lossy(&answer)) }
}
