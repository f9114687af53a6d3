//! A TCP connection with or without TLS, for both the client and the backends, and the raw
//! conversations that rows write as moves.

use crate::table::Move;
use rustls::pki_types::CertificateDer;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

/// How long any single read or write of the test side may take.
pub const PATIENCE: Duration = Duration::from_secs(8);
/// How long to wait for a close that may or may not come.
pub const PROBE: Duration = Duration::from_millis(120);

/// A connection.
#[derive(Debug)]
pub enum Wire {
    /// Plain TCP.
    Plain(TcpStream),
    /// TLS, this side being the client.
    Client(Box<tokio_rustls::client::TlsStream<TcpStream>>),
    /// TLS, this side being the server.
    Server(Box<tokio_rustls::server::TlsStream<TcpStream>>),
}

impl Wire {
    fn tcp(&self) -> &TcpStream {
        match self {
            Wire::Plain(tcp) => tcp,
            Wire::Client(tls) => tls.get_ref().0,
            Wire::Server(tls) => tls.get_ref().0,
        }
    }

    /// Makes the close that follows an RST.
    pub fn reset(self) {
        let _ = socket2::SockRef::from(self.tcp()).set_linger(Some(Duration::ZERO));
    }

    /// Makes the close an RST whenever it happens.
    pub fn reset_on_close(&self) {
        let _ = socket2::SockRef::from(self.tcp()).set_linger(Some(Duration::ZERO));
    }

    /// Protocol agreed on by ALPN.
    pub fn alpn(&self) -> Option<String> {
        let alpn = match self {
            Wire::Plain(_) => None,
            Wire::Client(tls) => tls.get_ref().1.alpn_protocol(),
            Wire::Server(tls) => tls.get_ref().1.alpn_protocol(),
        };
        alpn.map(|name| String::from_utf8_lossy(name).into_owned())
    }

    /// Server name that the client sent, seen from the server.
    pub fn sni(&self) -> Option<String> {
        match self {
            Wire::Server(tls) => tls.get_ref().1.server_name().map(str::to_owned),
            _ => None,
        }
    }

    /// TLS version in use.
    pub fn version(&self) -> Option<String> {
        let version = match self {
            Wire::Plain(_) => None,
            Wire::Client(tls) => tls.get_ref().1.protocol_version(),
            Wire::Server(tls) => tls.get_ref().1.protocol_version(),
        };
        version.and_then(|version| version.as_str()).map(str::to_owned)
    }

    /// The other side's certificate.
    pub fn peer(&self) -> Option<CertificateDer<'static>> {
        let chain = match self {
            Wire::Plain(_) => None,
            Wire::Client(tls) => tls.get_ref().1.peer_certificates(),
            Wire::Server(tls) => tls.get_ref().1.peer_certificates(),
        };
        chain.and_then(|chain| chain.first()).map(|cert| cert.clone().into_owned())
    }
}

macro_rules! each {
    ($self:ident, $stream:ident => $body:expr) => {
        match $self.get_mut() {
            Wire::Plain($stream) => $body,
            Wire::Client($stream) => {
                let $stream = $stream.as_mut();
                $body
            }
            Wire::Server($stream) => {
                let $stream = $stream.as_mut();
                $body
            }
        }
    };
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        each!(self, stream => Pin::new(stream).poll_read(cx, buf))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        each!(self, stream => Pin::new(stream).poll_write(cx, buf))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, stream => Pin::new(stream).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, stream => Pin::new(stream).poll_shutdown(cx))
    }
}

/// How a conversation stood when its moves were done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stand {
    /// Still open.
    Open,
    /// The other side sent FIN.
    Ended,
    /// The other side sent RST, or writing failed.
    Broken,
    /// The other side was silent for too long.
    Silent,
    /// A move of ours closed it with FIN.
    Left,
    /// A move of ours closed it with RST.
    Cut,
}

/// Does `moves` on `stream`, after `early` bytes that were read already; gives what was received.
pub async fn converse<S>(stream: &mut S, moves: &[Move], early: &[u8]) -> (Vec<u8>, Stand)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut talk = Talk { stream, received: early.to_vec(), taken: 0 };
    for step in moves {
        match talk.act(step).await {
            Ok(Stand::Open) => {}
            Ok(stand) => return (talk.received, stand),
            Err(_) => return (talk.received, Stand::Broken),
        }
    }
    (talk.received, Stand::Open)
}

struct Talk<'a, S> {
    stream: &'a mut S,
    received: Vec<u8>,
    /// How many received bytes earlier moves have consumed.
    taken: usize,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Talk<'_, S> {
    async fn act(&mut self, step: &Move) -> io::Result<Stand> {
        match step {
            Move::Send(text) => self.write(text.as_bytes()).await?,
            Move::SendHex(hex) => self.write(&unhex(hex)).await?,
            Move::SendSize(size) => self.write(&crate::table::pattern(*size)).await?,
            Move::Pause(ms) => sleep(Duration::from_millis(*ms)).await,
            Move::HalfClose => self.stream.shutdown().await?,
            Move::Close => return Ok(Stand::Left),
            Move::Reset => return Ok(Stand::Cut),
            Move::Recv(size) => {
                let stand =
                    self.read_until(PATIENCE, |talk| talk.received.len() - talk.taken >= *size).await?;
                self.taken = (self.taken + size).min(self.received.len());
                return Ok(stand);
            }
            Move::RecvText(text) => {
                let found = |talk: &Self| find(&talk.received[talk.taken..], text.as_bytes());
                let stand = self.read_until(PATIENCE, |talk| found(talk).is_some()).await?;
                self.taken = found(self).map_or(self.received.len(), |at| self.taken + at + text.len());
                return Ok(stand);
            }
            Move::RecvEnd(ms) => return self.read_until(Duration::from_millis(*ms), |_| false).await,
            Move::Drain => {
                // The end of the other side is what this move waits for, not the end of the talk.
                let stand = self.read_until(PATIENCE, |_| false).await?;
                return Ok(if stand == Stand::Ended { Stand::Open } else { stand });
            }
            Move::Echo => return self.echo().await,
        }
        Ok(Stand::Open)
    }

    async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        timeout(PATIENCE, async {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await
        })
        .await?
    }

    async fn read_until(&mut self, patience: Duration, enough: impl Fn(&Self) -> bool) -> io::Result<Stand> {
        let deadline = tokio::time::Instant::now() + patience;
        while !enough(self) {
            match tokio::time::timeout_at(deadline, self.stream.read_buf(&mut self.received)).await {
                Err(_) => return Ok(Stand::Silent),
                Ok(Err(error)) => return Err(error),
                Ok(Ok(0)) => return Ok(Stand::Ended),
                Ok(Ok(_)) => {}
            }
        }
        Ok(Stand::Open)
    }

    async fn echo(&mut self) -> io::Result<Stand> {
        loop {
            if self.taken < self.received.len() {
                let fresh = self.received[self.taken..].to_vec();
                self.taken = self.received.len();
                self.write(&fresh).await?;
            }
            match timeout(PATIENCE, self.stream.read_buf(&mut self.received)).await {
                Err(_) => return Ok(Stand::Silent),
                Ok(Err(error)) => return Err(error),
                Ok(Ok(0)) => {
                    let _ = self.stream.shutdown().await;
                    return Ok(Stand::Ended);
                }
                Ok(Ok(_)) => {}
            }
        }
    }
}

/// Where `needle` begins in `hay`.
pub fn find(hay: &[u8], needle: &[u8]) -> Option<usize> {
    hay.windows(needle.len().max(1)).position(|window| window == needle)
}

/// The bytes that a hexadecimal text stands for; what is not hexadecimal is left out.
pub fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        text.chars().filter_map(|c| c.to_digit(16)).filter_map(|digit| u8::try_from(digit).ok()).collect();
    digits.chunks(2).map(|pair| pair.iter().fold(0, |value, digit| value * 16 + digit)).collect()
}
