//! The ports of xDS, by TLS and plain: connections in, each with what its handshake found, which for a plain one is
//! nothing.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tonic::transport::server::Connected;
use weft_tls::{PeerFacts, ServerStream};
use weft_types::random::{Random as _, SplitMix};

use crate::certificates::Certificates;

/// Most connections at a time; more wait in the system's queue.
pub const MAX_CONNECTIONS: usize = 20_000;
/// Longest time for a handshake.
pub const HANDSHAKE: Duration = Duration::from_secs(10);
/// Connections that have shaken hands and wait to be taken.
const QUEUE: usize = 64;
/// Pause after the system had no connection for us (too many open files).
const PAUSE: Duration = Duration::from_millis(50);

/// A connection after its handshake.
#[derive(Debug)]
pub struct Connection {
    stream: Stream,
    facts: Arc<PeerFacts>,
    /// When it has been open for long enough.
    end: Option<Pin<Box<tokio::time::Sleep>>>,
    _permit: OwnedSemaphorePermit,
}

#[derive(Debug)]
enum Stream {
    Secured(Box<ServerStream<TcpStream>>),
    Plain(TcpStream),
}

impl Connected for Connection {
    /// What [`weft_ca_service::Authenticate`] looks for among the extensions of a request.
    type ConnectInfo = Arc<PeerFacts>;

    fn connect_info(&self) -> Arc<PeerFacts> {
        self.facts.clone()
    }
}

/// Accepts connections until the receiver is dropped; without certificates, plain ones. Each ends at `age`, a tenth more or less: then a proxy
/// connects anew, perhaps with another replica.
pub async fn accept(
    listener: TcpListener,
    certificates: Option<Arc<Certificates>>,
    ready: mpsc::Sender<io::Result<Connection>>,
    age: Option<Duration>,
) {
    let mut random = SplitMix::new(u64::from(std::process::id()));
    let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let Ok(permit) = permits.clone().acquire_owned().await else { return };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = ready.closed() => return,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "accept");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let spread = 0.9 + 0.2 * (random.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
        let end = age.map(|age| Box::pin(tokio::time::sleep(age.mul_f64(spread))));
        let (certificates, ready) = (certificates.clone(), ready.clone());
        tokio::spawn(async move {
            // Small messages both ways.
            let _ = stream.set_nodelay(true);
            let Some(certificates) = certificates else {
                let (stream, facts) = (Stream::Plain(stream), Arc::default());
                // The receiver is gone: we stop.
                return drop(ready.send(Ok(Connection { stream, facts, end, _permit: permit })).await);
            };
            let acceptor = match certificates.context().acceptor() {
                Ok(acceptor) => acceptor,
                Err(error) => return tracing::error!(%error, "own certificate cannot be used"),
            };
            match acceptor.accept(stream, HANDSHAKE).await {
                Ok((stream, facts)) => {
                    let (stream, facts) = (Stream::Secured(Box::new(stream)), Arc::new(facts));
                    let _ = ready.send(Ok(Connection { stream, facts, end, _permit: permit })).await;
                }
                Err(error) => tracing::warn!(%peer, %error, "refused"),
            }
        });
    }
}

/// A queue of connections.
#[must_use]
pub fn queue() -> (mpsc::Sender<io::Result<Connection>>, mpsc::Receiver<io::Result<Connection>>) {
    mpsc::channel(QUEUE)
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(end) = &mut self.end
            && end.as_mut().poll(cx).is_ready()
        {
            return Poll::Ready(Ok(()));
        }
        match &mut self.stream {
            Stream::Secured(stream) => Pin::new(stream).poll_read(cx, buf),
            Stream::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            Stream::Secured(stream) => Pin::new(stream).poll_write(cx, buf),
            Stream::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Secured(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Plain(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Secured(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            Stream::Secured(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Stream::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            Stream::Secured(stream) => stream.is_write_vectored(),
            Stream::Plain(stream) => stream.is_write_vectored(),
        }
    }
}
