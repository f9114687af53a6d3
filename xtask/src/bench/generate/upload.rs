//! A backend of HTTP/1.1 that reads each body whole before it answers.

use crate::bench::program::address;
use anyhow::{Context, Result, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Longest head.
const HEAD: usize = 16 * 1024;

/// Serves until killed.
pub(super) fn run(port: u16) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(address(port)).await?;
        loop {
            let (stream, _) = listener.accept().await?;
            tokio::spawn(async move {
                let _ = connection(stream).await;
            });
        }
    })
}

async fn connection(mut stream: TcpStream) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = vec![0; 256 * 1024];
    let mut filled = 0;
    loop {
        let end = loop {
            if let Some(at) = buffer[..filled].windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            if filled > HEAD {
                bail!("a head without end");
            }
            match stream.read(&mut buffer[filled..]).await? {
                0 => return Ok(()),
                read => filled += read,
            }
        };
        let mut left = body_length(&buffer[..end])?.saturating_sub(filled - end);
        while left > 0 {
            match stream.read(&mut buffer).await? {
                0 => bail!("a body that breaks off"),
                read => left = left.saturating_sub(read),
            }
        }
        filled = 0;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await?;
    }
}

fn body_length(head: &[u8]) -> Result<usize> {
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    length.map_or(Ok(0), |length| length.trim().parse().context("a length that is no number"))
}
