//! HTTP/1 messages read by hand, for the client and the backends alike. It is lenient on purpose: it
//! shows what a proxy wrote, and does not judge it.

use crate::wire::PATIENCE;
use std::io;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::{Instant, timeout_at};

/// Largest head that is read; far above what any row sends.
const MAX_HEAD: usize = 1 << 20;

/// Reads messages from a stream, keeping what belongs to the next one.
#[derive(Debug)]
pub struct Reader<S> {
    /// The stream.
    pub stream: S,
    /// Bytes read and not yet used.
    pub buffer: Vec<u8>,
    /// How long one message may take.
    pub patience: Duration,
}

/// Start line and headers.
#[derive(Debug, Clone, Default)]
pub struct Head {
    /// The first line.
    pub start: String,
    /// Names and values as they stood.
    pub headers: Vec<(String, String)>,
}

/// Why no more can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// FIN or RST.
    Closed,
    /// Nothing came in time.
    Silent,
    /// The bytes are no HTTP/1.
    Garbled,
}

/// How a message's body is delimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// No body.
    None,
    /// So many bytes.
    Length(usize),
    /// Chunks, then trailers.
    Chunked,
    /// Until the stream ends.
    UntilClose,
}

/// A body with what followed it.
#[derive(Debug, Default)]
pub struct Body {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Trailers.
    pub trailers: Vec<(String, String)>,
    /// Why it is incomplete, if it is.
    pub stop: Option<Stop>,
}

impl Head {
    /// The first value of a header.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Whether a comma-separated header lists `token`.
    pub fn lists(&self, name: &str, token: &str) -> bool {
        let listed = |value: &str| value.split(',').any(|item| item.trim().eq_ignore_ascii_case(token));
        self.headers.iter().any(|(key, value)| key.eq_ignore_ascii_case(name) && listed(value))
    }

    /// How the body is delimited; `unsaid` applies when no header says it.
    pub fn framing(&self, unsaid: Framing) -> Framing {
        if self.lists("transfer-encoding", "chunked") {
            return Framing::Chunked;
        }
        self.get("content-length").and_then(|value| value.parse().ok()).map_or(unsaid, Framing::Length)
    }
}

impl<S: AsyncRead + Unpin> Reader<S> {
    /// A reader of `stream` that was already given `buffer`.
    pub fn new(stream: S, buffer: Vec<u8>) -> Self {
        Reader { stream, buffer, patience: PATIENCE }
    }

    async fn more(&mut self, deadline: Instant) -> Result<(), Stop> {
        match timeout_at(deadline, self.stream.read_buf(&mut self.buffer)).await {
            Err(_) => Err(Stop::Silent),
            Ok(Ok(0) | Err(_)) => Err(Stop::Closed),
            Ok(Ok(_)) => Ok(()),
        }
    }

    async fn line(&mut self, deadline: Instant) -> Result<String, Stop> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                return Ok(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned());
            }
            if self.buffer.len() > MAX_HEAD {
                return Err(Stop::Garbled);
            }
            self.more(deadline).await?;
        }
    }

    async fn fields(&mut self, deadline: Instant) -> Result<Vec<(String, String)>, Stop> {
        let mut fields = Vec::new();
        loop {
            let line = self.line(deadline).await?;
            if line.is_empty() {
                return Ok(fields);
            }
            let (name, value) = line.split_once(':').ok_or(Stop::Garbled)?;
            fields.push((name.to_owned(), value.trim().to_owned()));
        }
    }

    /// Reads the next head.
    ///
    /// # Errors
    /// When the stream ends or falls silent first, or does not look like HTTP/1.
    pub async fn head(&mut self) -> Result<Head, Stop> {
        let deadline = Instant::now() + self.patience;
        let start = self.line(deadline).await?;
        if !start.contains("HTTP/1.") {
            return Err(Stop::Garbled);
        }
        Ok(Head { start, headers: self.fields(deadline).await? })
    }

    /// Reads a body, as far as it comes.
    pub async fn body(&mut self, framing: Framing) -> Body {
        let deadline = Instant::now() + self.patience;
        let mut body = Body::default();
        body.stop = match framing {
            Framing::None => None,
            Framing::Length(length) => self.take(length, deadline, &mut body.bytes).await.err(),
            Framing::Chunked => self.chunks(deadline, &mut body).await.err(),
            Framing::UntilClose => match self.take(usize::MAX, deadline, &mut body.bytes).await {
                Err(Stop::Closed) => None,
                other => other.err(),
            },
        };
        body
    }

    async fn take(&mut self, mut length: usize, deadline: Instant, into: &mut Vec<u8>) -> Result<(), Stop> {
        loop {
            let ready = length.min(self.buffer.len());
            into.extend(self.buffer.drain(..ready));
            length -= ready;
            if length == 0 {
                return Ok(());
            }
            self.more(deadline).await?;
        }
    }

    async fn chunks(&mut self, deadline: Instant, body: &mut Body) -> Result<(), Stop> {
        loop {
            let line = self.line(deadline).await?;
            let digits = line.split(';').next().unwrap_or_default().trim();
            let size = usize::from_str_radix(digits, 16).map_err(|_| Stop::Garbled)?;
            if size == 0 {
                body.trailers = self.fields(deadline).await?;
                return Ok(());
            }
            self.take(size, deadline, &mut body.bytes).await?;
            self.line(deadline).await?;
        }
    }

    /// Whether the other side closes within `patience`, without a further byte.
    pub async fn closes(&mut self, patience: Duration) -> bool {
        self.more(Instant::now() + patience).await == Err(Stop::Closed)
    }
}

/// Writes a head's lines.
pub fn write_head(start: &str, headers: &[(String, String)]) -> Vec<u8> {
    let mut out = format!("{start}\r\n");
    for (name, value) in headers {
        out.push_str(name);
        out.push_str(": ");
        out.push_str(value);
        out.push_str("\r\n");
    }
    out.push_str("\r\n");
    out.into_bytes()
}

/// Writes one chunk.
pub fn write_chunk(bytes: &[u8]) -> Vec<u8> {
    let mut out = format!("{:x}\r\n", bytes.len()).into_bytes();
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\r\n");
    out
}

/// Writes the last chunk with trailers.
pub fn write_last_chunk(trailers: &[(String, String)]) -> Vec<u8> {
    write_head("0", trailers)
}

/// An error that says why reading stopped.
pub fn as_io(stop: Stop) -> io::Error {
    match stop {
        Stop::Closed => io::ErrorKind::UnexpectedEof.into(),
        Stop::Silent => io::ErrorKind::TimedOut.into(),
        Stop::Garbled => io::ErrorKind::InvalidData.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(bytes: &[u8], unsaid: Framing) -> (Result<Head, Stop>, Body) {
        let mut reader = Reader::new(bytes, Vec::new());
        let head = reader.head().await;
        let framing = head.as_ref().map_or(Framing::None, |head| head.framing(unsaid));
        let body = reader.body(framing).await;
        (head, body)
    }

    #[tokio::test]
    async fn bodies_end_where_their_framing_says() {
        let (_, body) = read(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nabc", Framing::UntilClose).await;
        assert_eq!((&body.bytes[..], body.stop), (&b"ab"[..], None));
        let (_, body) = read(b"HTTP/1.1 200 OK\r\n\r\nabc", Framing::UntilClose).await;
        assert_eq!((&body.bytes[..], body.stop), (&b"abc"[..], None));
        let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x\r\nab\r\n0\r\nT: v\r\n\r\n";
        let (_, body) = read(chunked, Framing::UntilClose).await;
        assert_eq!((&body.bytes[..], body.stop), (&b"ab"[..], None));
        assert_eq!(body.trailers, [("T".to_owned(), "v".to_owned())]);
    }

    #[tokio::test]
    async fn what_breaks_off_is_told_from_what_ends() {
        let (_, body) = read(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab", Framing::UntilClose).await;
        assert_eq!(body.stop, Some(Stop::Closed));
        let (head, _) = read(b"HTTP/1.1 200 OK\r\nA: b\r\n", Framing::None).await;
        assert_eq!(head.err(), Some(Stop::Closed));
        let (head, _) = read(b"\x00\x00\x06\x04\n\n", Framing::None).await;
        assert_eq!(head.err(), Some(Stop::Garbled));
    }
}
