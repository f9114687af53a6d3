//! An application that tells which instance it is, and echoes what an upgraded connection sends.

use crate::http1::{Framing, Reader};
use crate::netns::Host;
use anyhow::Result;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

/// A running instance; dropping it closes its listener and all its connections at once, as `kill -9` does.
#[derive(Debug)]
pub struct Echo {
    accepting: JoinHandle<()>,
    served: Arc<AtomicU64>,
}

impl Echo {
    /// Starts on a host at a port of all its addresses. Run it inside a runtime.
    ///
    /// # Errors
    /// When the port is taken.
    pub fn start(host: &Host, port: u16, name: &str) -> Result<Self> {
        let listener = host.enter(|| Ok(TcpListener::bind((Ipv4Addr::UNSPECIFIED, port))?))?;
        listener.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let (name, served) = (name.to_owned(), Arc::new(AtomicU64::new(0)));
        let count = served.clone();
        let accepting = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream, name.clone(), count.clone()));
                while connections.try_join_next().is_some() {}
            }
        });
        Ok(Self { accepting, served })
    }

    /// Requests answered so far.
    pub fn served(&self) -> u64 {
        self.served.load(Ordering::Relaxed)
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn serve(stream: TcpStream, name: String, served: Arc<AtomicU64>) {
    let mut reader = Reader::new(stream, Vec::new());
    reader.patience = Duration::from_secs(3600);
    while let Ok(head) = reader.head().await {
        if head.lists("connection", "upgrade") {
            let answer =
                "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n";
            if reader.stream.write_all(answer.as_bytes()).await.is_ok() {
                echo(reader.stream).await;
            }
            return;
        }
        if reader.body(head.framing(Framing::None)).await.stop.is_some() {
            return;
        }
        served.fetch_add(1, Ordering::Relaxed);
        let answer =
            format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nx-instance: {name}\r\n\r\n{name}", name.len());
        if reader.stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

async fn echo(mut stream: TcpStream) {
    let mut buffer = [0; 4096];
    while let Ok(read) = stream.read(&mut buffer).await {
        if read == 0 || stream.write_all(buffer.get(..read).unwrap_or_default()).await.is_err() {
            return;
        }
    }
}
