//! Requests of a workload, made on its host as its application would make them.

use crate::http1::{Framing, Reader};
use crate::netns::Host;
use anyhow::{Context, Result, bail};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream as Stream;
use tokio::time::Instant;

/// How long a connection and an answer may take; faults of the samples wait 7 s.
const PATIENCE: Duration = Duration::from_secs(12);

/// What came back.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    /// Status.
    pub status: u16,
    /// Headers as they stood.
    pub headers: Vec<(String, String)>,
    /// Body, as text.
    pub body: String,
    /// From the first byte sent to the last received.
    pub took: Duration,
}

impl Answer {
    /// First value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// One connection with requests one after the other.
#[derive(Debug)]
pub struct Caller {
    reader: Reader<Stream>,
}

impl Caller {
    /// Connects from a host. Run it inside a runtime.
    ///
    /// # Errors
    /// When nobody accepts.
    pub fn connect(from: &Host, to: SocketAddr) -> Result<Self> {
        Self::new(from.enter(|| Self::dial(to))?)
    }

    /// A connection from wherever this thread is.
    ///
    /// # Errors
    /// When nobody accepts.
    pub fn dial(to: SocketAddr) -> Result<TcpStream> {
        Ok(TcpStream::connect_timeout(&to, PATIENCE)?)
    }

    /// Requests over a connection. Run it inside a runtime.
    ///
    /// # Errors
    /// When the socket is not to be had.
    pub fn new(stream: TcpStream) -> Result<Self> {
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        let mut reader = Reader::new(Stream::from_std(stream)?, Vec::new());
        reader.patience = PATIENCE;
        Ok(Self { reader })
    }

    /// One GET request with these headers; `host` is among them.
    ///
    /// # Errors
    /// When the connection ends, falls silent or does not speak HTTP.
    pub async fn get(&mut self, path: &str, headers: &[(&str, &str)]) -> Result<Answer> {
        let mut head = format!("GET {path} HTTP/1.1\r\n");
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        let begun = Instant::now();
        self.reader.stream.write_all(head.as_bytes()).await.context("writing the request")?;
        let head = match self.reader.head().await {
            Ok(head) => head,
            Err(stop) => bail!("no answer to GET {path}: {stop:?}"),
        };
        let status: u16 =
            head.start.split(' ').nth(1).and_then(|word| word.parse().ok()).context("no status")?;
        let framing =
            head.framing(if status == 204 || status == 304 { Framing::None } else { Framing::UntilClose });
        let body = self.reader.body(framing).await;
        if let Some(stop) = body.stop {
            bail!("half an answer to GET {path}: {stop:?}");
        }
        Ok(Answer {
            status,
            headers: head.headers,
            body: String::from_utf8_lossy(&body.bytes).into_owned(),
            took: begun.elapsed(),
        })
    }
}

/// One request on a connection of its own.
///
/// # Errors
/// As [`Caller::connect`] and [`Caller::get`].
pub async fn get(from: &Host, to: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Result<Answer> {
    Caller::connect(from, to)?.get(path, headers).await
}
