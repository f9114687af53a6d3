//! One connection from accept to its last byte.

use std::rc::Rc;
use std::sync::Arc;

use weft_http::clock;
use weft_net::copy::Meter;
use weft_net::{Accepted, CopyOptions, CopyReport, Prefixed, Side, Stream};
use weft_tables::chain::{ConnectionFacts, FilterChain, Terminal};
use weft_tables::hcm::CodecType;
use weft_tables::listener::Listener;
use weft_types::Name;

use super::accepted::ConnFacts;
use super::inspect::{InspectError, inspect};
use super::listener::ListenerRuntime;
use super::seldom::Seldom;
use crate::drain::Drain;
use crate::hbone::{Tunnel, relay};
use crate::http::connection::{self, HttpConn};
use crate::network;
use crate::upstream::connect::Stream as UpstreamStream;

/// Serves a connection that `runtime` accepted.
pub(crate) async fn serve(runtime: Rc<ListenerRuntime>, accepted: Accepted) {
    let worker = runtime.worker.clone();
    let listener = runtime.config.clone();
    let local = accepted.local;
    let remote = accepted.peer.ip();
    let mut facts = ConnFacts {
        id: worker.next_connection_id(),
        listener: listener.clone(),
        direct_remote: remote,
        source: remote,
        local,
        original: None,
        server_name: None,
        transport: "raw_buffer",
        protocols: Vec::new(),
        chain: Name::from(""),
        peer: None,
        local_uris: Vec::new(),
        state: Default::default(),
        istio: None,
        termination: Box::default(),
        began: clock::wall(),
        start: clock::now(),
    };
    let stats = runtime.stats.clone();
    let _serving = worker.serving();
    stats.connection_began();
    let mut stream = Prefixed::new(accepted.stream);
    let mut active = runtime.active.clone();
    let mut outcome = inspect(&listener, &mut stream, &mut facts).await;
    if outcome.is_ok()
        && listener.use_original_dst
        && let Some(other) = facts.original.and_then(|to| worker.process.listener_for(to))
    {
        // Whoever takes the connection over looks at it with his own filters.
        outcome = inspect(&other.config, &mut stream, &mut facts).await;
        facts.listener = other.config.clone();
        active = other;
    }
    if let Err(error) = outcome {
        match error {
            InspectError::Timeout => stats.inc(|s| s.downstream_pre_cx_timeout),
            InspectError::Gone | InspectError::ProxyHeader | InspectError::TooLong => {
                stats.inc(|s| s.downstream_listener_filter_error);
            }
        }
        stats.connection_ended();
        return;
    }
    let Some(chain) = choose(&facts.listener, &facts) else {
        stats.inc(|s| s.no_filter_chain_match);
        crate::http::report::no_chain(&worker, &facts);
        // A refusal is a reset: the client learns at once that nothing serves it here.
        let _ = stream.get_ref().reset_on_close();
        stats.connection_ended();
        return;
    };
    facts.chain = chain.name.clone();
    match active.drain_of(&chain) {
        None => through_chain(&runtime, chain, stream, facts, runtime.drain.clone()).await,
        // A chain that is changed or gone lets its connections end by themselves for some time.
        Some(life) => {
            let serving = through_chain(&runtime, chain.clone(), stream, facts, runtime.drain.or(life));
            let mut serving = std::pin::pin!(serving);
            let over = std::pin::pin!(life.over());
            tokio::select! {
                biased;
                () = &mut serving => {}
                () = Seldom::new(over) => {}
            }
        }
    }
    stats.connection_ended();
}

/// The chain that a connection gets.
pub(crate) fn choose(listener: &Listener, facts: &ConnFacts) -> Option<Arc<FilterChain>> {
    let protocols: Vec<&str> = facts.protocols.iter().map(|p| &**p).collect();
    let address = |a: std::net::SocketAddr| (a.ip(), a.port());
    let known = ConnectionFacts {
        destination: facts.local.map(address),
        source: facts.source.map(address),
        direct_source: facts.direct_remote.map(|a| a.ip()),
        server_name: facts.server_name.as_deref().unwrap_or_default(),
        transport_protocol: facts.transport,
        application_protocols: &protocols,
    };
    listener.chains.find(&known).cloned()
}

async fn through_chain(
    runtime: &Rc<ListenerRuntime>,
    chain: Arc<FilterChain>,
    stream: Prefixed<Stream>,
    mut facts: ConnFacts,
    drain: Drain,
) {
    let Some(context) = &chain.tls else {
        return terminal(runtime, &chain, Io::Plain(stream), facts, drain).await;
    };
    let acceptor = match runtime.worker.server_tls(context).acceptor() {
        Ok(acceptor) => acceptor,
        Err(error) => {
            tracing::warn!(listener = %facts.listener.name, %error, "TLS is not ready");
            runtime.stats.tls(|s| s.connection_error);
            return;
        }
    };
    // In a box of its own, as is HTTP: connections that do without have no room for it, and each kind has
    // as much as it needs.
    let accepting = Box::pin(acceptor.accept(stream, chain.handshake_timeout.unwrap_or(NO_LIMIT)));
    match accepting.await {
        Ok((stream, peer)) => {
            runtime.stats.tls(|s| s.handshake);
            if let Some(local) = &peer.local {
                facts.local_uris = local.uri_sans.iter().map(|u| u.as_str().into()).collect();
            }
            facts.peer = Some(Rc::new(peer));
            terminal(runtime, &chain, Io::Tls(Box::new(stream)), facts, drain).await;
        }
        Err(error) => {
            runtime.stats.handshake_failed(&error);
            crate::http::report::handshake_failed(&runtime.worker, &facts, &error);
        }
    }
}

/// Stands for no limit of a handshake: a day.
const NO_LIMIT: std::time::Duration = std::time::Duration::from_secs(86_400);

/// What a client of HBONE is told whom policy or configuration does not let in.
const DENIED: u16 = 401;

/// A downstream byte stream.
pub(crate) enum Io {
    Plain(Prefixed<Stream>),
    Tls(Box<weft_tls::ServerStream<Prefixed<Stream>>>),
    /// A stream of HBONE.
    Tunnel(Box<Tunnel>),
}

impl Io {
    /// Copies between the client and `upstream` until both ends have ended.
    pub(crate) async fn copy_with(
        &mut self,
        upstream: &mut Box<dyn UpstreamStream>,
        options: CopyOptions,
        meter: &mut impl Meter,
    ) -> CopyReport {
        use weft_net::copy::{copy, copy_sockets};
        let early = bytes::BytesMut::new();
        if let Some(tunnel) = upstream.tunnel() {
            let (side, idle) = (Side::A, options.idle);
            return match self {
                Self::Plain(stream) => {
                    let early = stream.take_prefix();
                    relay(stream.get_mut(), tunnel, side, early, idle, meter).await
                }
                Self::Tls(stream) => relay(&mut **stream, tunnel, side, early, idle, meter).await,
                Self::Tunnel(stream) => relay(&mut **stream, tunnel, side, early, idle, meter).await,
            };
        }
        match (self, upstream.socket()) {
            (Self::Plain(stream), Some(upstream)) => {
                let early = stream.take_prefix();
                copy_sockets(stream.get_mut(), upstream, early, options, meter).await
            }
            (Self::Plain(stream), None) => copy(stream, upstream, early, options, meter).await,
            (Self::Tls(stream), Some(upstream)) => copy(&mut **stream, upstream, early, options, meter).await,
            (Self::Tls(stream), None) => copy(&mut **stream, upstream, early, options, meter).await,
            (Self::Tunnel(tunnel), Some(upstream)) => {
                relay(upstream, tunnel, Side::B, early, options.idle, meter).await
            }
            (Self::Tunnel(tunnel), None) => {
                relay(upstream, tunnel, Side::B, early, options.idle, meter).await
            }
        }
    }

    /// Tells a client that waits for it that its destination is reached.
    pub(crate) async fn agree(&mut self) {
        if let Self::Tunnel(tunnel) = self {
            tunnel.agree().await;
        }
    }

    /// Tells a client that waits for it that its destination is not reached, and why by a status.
    pub(crate) async fn refuse(&mut self, status: u16) {
        if let Self::Tunnel(tunnel) = self {
            tunnel.refuse(status).await;
        }
    }

    /// Makes closing send a reset.
    pub(crate) fn reset_on_close(&mut self) {
        let socket = match self {
            Self::Tunnel(tunnel) => return tunnel.reset(),
            Self::Plain(stream) => stream.get_ref(),
            Self::Tls(stream) => stream.get_ref().0.get_ref(),
        };
        // A socket that is gone already has nothing to reset.
        let _ = socket.reset_on_close();
    }
}

/// Runs what the chain has after its transport.
pub(crate) async fn terminal(
    runtime: &Rc<ListenerRuntime>,
    chain: &Arc<FilterChain>,
    mut io: Io,
    mut facts: ConnFacts,
    drain: Drain,
) {
    // Held while the connection lives: it counts toward limits.
    let Some(_admission) = network::admit(runtime, &chain.filters, &mut facts) else {
        if let Terminal::Tcp(tcp) = &chain.terminal {
            crate::tcp::denied(&runtime.worker, tcp, &facts);
        }
        io.refuse(DENIED).await;
        return;
    };
    let facts = Rc::new(facts);
    if !matches!(chain.terminal, Terminal::Tcp(_) | Terminal::Close) {
        io.agree().await;
    }
    match &chain.terminal {
        Terminal::Http(manager) => {
            let conn = HttpConn::new(runtime.worker.clone(), manager.clone(), facts.clone(), drain);
            http(conn, manager.codec, io, &facts).await;
        }
        Terminal::Tcp(tcp) => crate::tcp::serve(runtime.worker.clone(), tcp.clone(), io, facts).await,
        Terminal::Echo => network::echo(io).await,
        Terminal::DirectResponse(bytes) => network::direct_response(io, bytes).await,
        Terminal::Hbone(config) => {
            let (runtime, tls) = (runtime.clone(), chain.tls.clone());
            Box::pin(crate::hbone::serve(runtime, config.clone(), tls, io, facts, drain)).await;
        }
        Terminal::Close => io.refuse(DENIED).await,
    }
}

async fn http(conn: Rc<HttpConn>, codec: CodecType, io: Io, facts: &ConnFacts) {
    match io {
        Io::Plain(mut stream) => {
            let http2 = match codec {
                CodecType::Http1 => false,
                CodecType::Http2 => true,
                CodecType::Auto => match detect(&conn, &mut stream).await {
                    Some(http2) => http2,
                    None => return,
                },
            };
            let (prefix, stream) = stream.into_parts();
            Box::pin(connection::run(conn, stream, http2, prefix)).await;
        }
        Io::Tls(stream) => {
            let agreed = facts.peer.as_ref().and_then(|p| p.alpn.clone());
            let http2 = match (codec, agreed.as_deref()) {
                (CodecType::Http1, _) => false,
                (CodecType::Http2, _) | (CodecType::Auto, Some("h2")) => true,
                (CodecType::Auto, Some(_)) => false,
                (CodecType::Auto, None) => {
                    let mut stream = Prefixed::new(*stream);
                    let Some(http2) = detect(&conn, &mut stream).await else { return };
                    let (prefix, stream) = stream.into_parts();
                    return Box::pin(connection::run(conn, stream, http2, prefix)).await;
                }
            };
            Box::pin(connection::run(conn, *stream, http2, bytes::BytesMut::new())).await;
        }
        Io::Tunnel(tunnel) => {
            let mut stream = Prefixed::new(*tunnel);
            let http2 = match codec {
                CodecType::Http1 => false,
                CodecType::Http2 => true,
                CodecType::Auto => match detect(&conn, &mut stream).await {
                    Some(http2) => http2,
                    None => return,
                },
            };
            let (prefix, stream) = stream.into_parts();
            Box::pin(connection::run(conn, stream, http2, prefix)).await;
        }
    }
}

/// Whether HTTP/2 comes; `None` if nothing comes for the connection's idle time.
async fn detect<S: tokio::io::AsyncRead + Unpin>(conn: &HttpConn, stream: &mut Prefixed<S>) -> Option<bool> {
    let limit = conn.manager.idle_timeout.unwrap_or(NO_LIMIT);
    tokio::time::timeout(limit, network::begins_http2(stream)).await.ok()
}
