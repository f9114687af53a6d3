//! Making connections: the layers of a transport, from the wire up (design 11.5).

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::{timeout, timeout_at};
use weft_balance::HostHandle;
use weft_codec::proxy_protocol::{Addresses, Format, Header, Tlvs};
use weft_http::clock;
use weft_http::{AnyCodec, ClientConn, ConnOptions};
use weft_net::{Address, Keepalive, UpstreamSocket};
use weft_state::Permit;
use weft_state::host::HostGuard;
use weft_tables::address::SocketAddress;
use weft_tables::cluster::TransportLayer;
use weft_tls::{ConnectOptions, PeerFacts};

use super::chosen::Chosen;
use super::cluster::ClusterRuntime;
use crate::hbone::Tunnel;
use crate::heartbeat;
use crate::http::failure::Failure;
use crate::listen::accepted::ConnFacts;

/// What a request wants of a new connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    /// HTTP/2, with prior knowledge where ALPN does not decide.
    pub(crate) http2: bool,
    /// ALPN decides.
    pub(crate) alpn: bool,
    /// It is for an upgrade: HTTP/1.1 where there is a choice.
    pub(crate) upgrade: bool,
}

/// A byte stream to an endpoint, with whatever layers.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin {
    /// Makes closing send a reset instead of an end.
    fn reset_on_close(&self);

    /// This end's address, while the socket is connected.
    fn local_address(&self) -> Option<SocketAddr>;

    /// The socket itself, where no layer is on top of it.
    fn socket(&mut self) -> Option<&mut weft_net::Stream> {
        None
    }

    /// The stream of HBONE that it is, if it is one.
    fn tunnel(&mut self) -> Option<&mut Tunnel> {
        None
    }
}

impl Stream for weft_net::Stream {
    fn reset_on_close(&self) {
        // A socket that is gone already has nothing to reset.
        let _ = weft_net::Stream::reset_on_close(self);
    }

    fn local_address(&self) -> Option<SocketAddr> {
        weft_net::Stream::local_address(self).ok().and_then(|address| address.ip())
    }

    fn socket(&mut self) -> Option<&mut weft_net::Stream> {
        Some(self)
    }
}

impl Stream for weft_tls::ClientStream<Box<dyn Stream>> {
    fn reset_on_close(&self) {
        self.get_ref().0.reset_on_close();
    }

    fn local_address(&self) -> Option<SocketAddr> {
        self.get_ref().0.local_address()
    }
}

/// A connection that is open and counted; it stops being counted when it is dropped.
pub(crate) struct Opened {
    pub(crate) stream: Box<dyn Stream>,
    /// What TLS told of the other end; `None`: plaintext.
    pub(crate) peer: Option<Rc<PeerFacts>>,
    pub(crate) counted: Counted,
}

/// A stream that counts as an open connection while it lives.
struct CountedStream {
    stream: Box<dyn Stream>,
    counted: Counted,
}

impl AsyncRead for CountedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let outcome = Pin::new(&mut self.stream).poll_read(cx, buffer);
        self.counted.bytes(0, (buffer.filled().len() - before) as u64);
        outcome
    }
}

impl AsyncWrite for CountedStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.counted.written(&outcome);
        outcome
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.counted.written(&outcome);
        outcome
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// What an open connection counts toward.
pub(crate) struct Counted {
    cluster: Rc<ClusterRuntime>,
    _permit: Permit,
    _host: HostGuard,
}

impl Counted {
    fn bytes(&self, sent: u64, received: u64) {
        if sent + received > 0 {
            self.cluster.stats.bytes(sent, received);
        }
    }

    fn written(&self, outcome: &Poll<io::Result<usize>>) {
        if let Poll::Ready(Ok(count)) = outcome {
            self.bytes(*count as u64, 0);
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.cluster.stats.connection_closed();
        self.cluster.freed.notify_waiters();
    }
}

/// Opens an HTTP connection.
pub(crate) async fn http(
    cluster: Rc<ClusterRuntime>,
    host: HostHandle,
    wanted: Wanted,
    chosen: Chosen,
    permit: Permit,
) -> Result<ClientConn, Failure> {
    let alpn: Option<Vec<Box<str>>> = wanted
        .alpn
        .then(|| if wanted.upgrade { vec!["http/1.1".into()] } else { vec!["h2".into(), "http/1.1".into()] });
    let protocol = Protocol { http: true, http2: wanted.http2 };
    let opened = open(&cluster, &host, None, chosen, alpn, protocol, permit).await?;
    let http2 = if wanted.alpn {
        opened.peer.as_ref().and_then(|p| p.alpn.as_deref()) == Some("h2")
    } else {
        wanted.http2
    };
    cluster.stats.http_connection(http2);
    let config = cluster.config();
    let limits = crate::limits::of_upstream(&config.http.options, http2);
    let scheme = if opened.peer.is_some() { "https" } else { "http" };
    let side = weft_codec::Side::Client;
    let codec =
        if http2 { AnyCodec::http2(side, limits, scheme) } else { AnyCodec::http1(side, limits, scheme) };
    let options = ConnOptions {
        high_watermark: (config.buffer_limit as usize).max(16 * 1024),
        ..ConnOptions::default()
    };
    let Opened { stream, counted, peer } = opened;
    let local = stream.local_address();
    let peer = peer.map(|peer| peer as Rc<dyn std::any::Any>);
    let conn =
        ClientConn::new(CountedStream { stream, counted }, codec, options).with_local(local).with_note(peer);
    if http2 && let Some(pings) = config.http.options.keepalive {
        let handle = conn.handle();
        tokio::task::spawn_local(async move {
            heartbeat::lost(handle.clone(), Some(pings)).await;
            handle.abort();
        });
    }
    Ok(conn)
}

/// Opens a connection for opaque bytes.
pub(crate) async fn tcp(
    cluster: &Rc<ClusterRuntime>,
    host: &HostHandle,
    facts: &ConnFacts,
    permit: Permit,
) -> Result<Opened, Failure> {
    let addresses =
        facts.source.zip(facts.local).map(|(source, destination)| Addresses { source, destination });
    let chosen = Chosen::by_filters(&facts.state).complete(cluster.config(), host, "");
    open(cluster, host, addresses, chosen, None, Protocol { http: false, http2: false }, permit).await
}

/// A connection for opaque bytes to the endpoint itself, which is counted elsewhere.
pub(crate) async fn direct(
    cluster: &Rc<ClusterRuntime>,
    host: &HostHandle,
    facts: &ConnFacts,
) -> Result<Layered, Failure> {
    let chosen = Chosen::by_filters(&facts.state).complete(cluster.config(), host, "");
    layers(cluster, host, None, chosen, None, Protocol { http: false, http2: false }).await
}

/// Opens a connection for a health check, which neither circuit breakers nor counters see. The flag
/// tells whether it is encrypted.
pub(crate) async fn unseen(
    cluster: &Rc<ClusterRuntime>,
    host: &HostHandle,
    http2: Option<bool>,
    limit: Duration,
) -> Result<(Box<dyn Stream>, bool), Failure> {
    let protocol = Protocol { http: http2.is_some(), http2: http2.unwrap_or(false) };
    let layers = layers(cluster, host, None, Chosen::default(), None, protocol);
    let (stream, peer) = timeout(limit, layers).await.map_err(|_| Failure::ConnectTimeout)??;
    Ok((stream, peer.is_some()))
}

async fn open(
    cluster: &Rc<ClusterRuntime>,
    host: &HostHandle,
    addresses: Option<Addresses>,
    chosen: Chosen,
    alpn: Option<Vec<Box<str>>>,
    protocol: Protocol,
    permit: Permit,
) -> Result<Opened, Failure> {
    counted(cluster, host, permit, layers(cluster, host, addresses, chosen, alpn, protocol)).await
}

/// Counts what `connect` makes as a connection to the host, within the cluster's time to connect.
pub(crate) async fn counted(
    cluster: &Rc<ClusterRuntime>,
    host: &HostHandle,
    permit: Permit,
    connect: impl Future<Output = Result<Layered, Failure>>,
) -> Result<Opened, Failure> {
    // Held in one place: a future that is moved while it is awaited has room for both places.
    let connect = std::pin::pin!(connect);
    let config = cluster.config();
    cluster.stats.connecting();
    let counted = Counted { cluster: cluster.clone(), _permit: permit, _host: host.state.begin_connection() };
    let began = clock::now();
    let deadline = began + config.connect_timeout;
    let outcome = match timeout_at(deadline, connect).await {
        Ok(outcome) => outcome,
        Err(_) => Err(Failure::ConnectTimeout),
    };
    match outcome {
        Ok((stream, peer)) => {
            cluster.stats.connected(began.elapsed());
            Ok(Opened { stream, peer, counted })
        }
        Err(failure) => {
            cluster.stats.connect_failed(&failure);
            Err(failure)
        }
    }
}

/// What will be spoken on a connection.
#[derive(Clone, Copy)]
struct Protocol {
    http: bool,
    http2: bool,
}

/// A stream with all its layers, and what TLS told of the other end.
pub(crate) type Layered = (Box<dyn Stream>, Option<Rc<PeerFacts>>);

async fn layers(
    cluster: &Rc<ClusterRuntime>,
    host: &HostHandle,
    addresses: Option<Addresses>,
    chosen: Chosen,
    alpn: Option<Vec<Box<str>>>,
    protocol: Protocol,
) -> Result<Layered, Failure> {
    let config = cluster.config();
    let Protocol { http, http2: wanted_http2 } = protocol;
    let to = match &host.endpoint.address {
        SocketAddress::Ip(address) => Address::Ip(*address),
        SocketAddress::Unix(path) => Address::Unix(path.clone()),
        other => return Err(Failure::Connect(format!("{other} is not resolved"))),
    };
    let socket = UpstreamSocket {
        bind: config.bind,
        keepalive: config.keepalive.map(|k| Keepalive {
            probes: k.probes,
            time: k.time,
            interval: k.interval,
        }),
        ..UpstreamSocket::default()
    };
    // Whoever wants these layers limits the time for all of them together.
    let stream = socket.connect_unlimited(&to).await.map_err(|error| Failure::Connect(error.reason()))?;
    let mut stream: Box<dyn Stream> = Box::new(stream);
    let mut told = None;
    for layer in &host.state.key().transport.layers {
        match layer {
            TransportLayer::ProxyProtocol(version) => {
                let format = if *version == 2 { Format::V2 } else { Format::V1 };
                let header = Header { format, addresses, tlvs: Tlvs::default() };
                let bytes = header.write().map_err(|e| Failure::Connect(e.to_string()))?;
                stream.write_all(&bytes).await.map_err(|e| Failure::Connect(e.to_string()))?;
            }
            // HBONE carries opaque connections; others, and those that come too early for it, go to the
            // endpoint itself.
            layer @ (TransportLayer::Tls(_) | TransportLayer::Hbone(_)) => {
                let Some(context) = layer.tls() else { continue };
                let connector =
                    cluster.client_tls(context).map_err(|error| Failure::Connect(error.to_string()))?;
                let mut names: Vec<&str> = chosen.sans.iter().map(|name| &**name).collect();
                if names.is_empty() && context.auto_sni_san_validation {
                    names.extend(chosen.server_name.as_deref());
                }
                let options = ConnectOptions {
                    sni: chosen.server_name.as_deref(),
                    host: &host.endpoint.hostname,
                    alpn: Some(&chosen.alpn[..]).filter(|a| !a.is_empty()).or(alpn.as_deref()),
                    alpn_fallback: if !http {
                        &[]
                    } else if wanted_http2 {
                        &["h2"]
                    } else {
                        &["http/1.1"]
                    },
                    names: &names,
                    address: host.endpoint.address.ip().map(|a| a.ip()),
                };
                let shaken = Box::pin(connector.connect_unlimited(stream, options)).await;
                cluster.stats.handshake(shaken.is_ok());
                let (secured, peer) = shaken.map_err(|error| Failure::Transport(error.reason()))?;
                told = Some(Rc::new(peer));
                stream = Box::new(secured);
            }
            TransportLayer::Internal => {
                return Err(Failure::Connect("this transport is not supported yet".into()));
            }
        }
    }
    Ok((stream, told))
}
