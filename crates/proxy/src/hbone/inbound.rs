//! A connection that brings streams.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::BytesMut;
use tokio::time::{Instant, sleep_until, timeout};
use weft_codec::Side;
use weft_http::{AnyCodec, ConnError, ConnHandle, ConnOptions, ServerConn, clock};
use weft_tables::chain::{FilterChain, HboneTerminal};
use weft_tables::tls::ServerTls;
use weft_tls::{PeerFacts, ServerAcceptor};

use super::{HIGH_WATERMARK, limits, pool, stream, watch};
use crate::drain::Drain;
use crate::listen::accepted::ConnFacts;
use crate::listen::listener::ListenerRuntime;
use crate::listen::seldom::Seldom;
use crate::listen::serve::Io;
use crate::stats::HttpCounters;

/// A connection without streams goes after so long: twice what clients keep them for.
const IDLE: Duration = Duration::from_secs(600);
/// Time between the warning of a drain and its last call, at most.
const LAST_CALL: Duration = Duration::from_secs(1);
/// Time to close in good order.
const CLOSE: Duration = Duration::from_secs(1);

/// What the streams of a connection share.
#[derive(Debug)]
pub(super) struct Inbound {
    pub(super) runtime: Rc<ListenerRuntime>,
    pub(super) config: Arc<HboneTerminal>,
    pub(super) facts: Rc<ConnFacts>,
    pub(super) peer: Rc<PeerFacts>,
    /// Where it came in.
    pub(super) local: SocketAddr,
    pub(super) drain: Drain,
    pub(super) stats: Rc<HttpCounters>,
    tls: Arc<ServerTls>,
    /// Chains that were compared, and whether they verify clients as this connection did.
    compared: RefCell<Vec<(Weak<FilterChain>, bool)>>,
}

impl Inbound {
    /// Whether a chain verifies clients as this connection did, so that the peer may stand for its own.
    pub(super) fn is_verified_for(&self, chain: &Arc<FilterChain>) -> bool {
        let mut compared = self.compared.borrow_mut();
        let known = compared.iter().find(|(known, _)| std::ptr::eq(known.as_ptr(), Arc::as_ptr(chain)));
        if let Some((_, same)) = known {
            return *same;
        }
        let same = chain.tls.as_ref().is_none_or(|tls| {
            tls.require_client_certificate == self.tls.require_client_certificate
                && tls.common.validation == self.tls.common.validation
                && tls.common.certificates == self.tls.common.certificates
        });
        compared.retain(|(known, _)| known.strong_count() > 0);
        compared.push((Arc::downgrade(chain), same));
        same
    }
}

/// Serves a connection until it and its streams have ended. `tls` is what secured it.
pub(crate) async fn serve(
    runtime: Rc<ListenerRuntime>,
    config: Arc<HboneTerminal>,
    tls: Option<Arc<ServerTls>>,
    io: Io,
    facts: Rc<ConnFacts>,
    drain: Drain,
) {
    let (Io::Tls(io), Some(tls), Some(peer), Some(local)) = (io, tls, facts.peer.clone(), facts.local) else {
        return tracing::warn!(listener = %facts.listener.name, "HBONE needs mutual TLS: connection refused");
    };
    if !peer.validated || peer.alpn.as_deref() != Some("h2") {
        return tracing::warn!(
            listener = %facts.listener.name, alpn = peer.alpn.as_deref(), verified = peer.validated,
            "HBONE needs a client that is verified, and h2 by ALPN: connection refused"
        );
    }
    let options = ConnOptions {
        high_watermark: HIGH_WATERMARK,
        buffers: runtime.worker.buffers.clone(),
        ..ConnOptions::default()
    };
    let codec = AnyCodec::http2(Side::Server, limits(config.max_streams), "https");
    let mut server = ServerConn::new(*io, codec, options, BytesMut::new());
    let stats = runtime.worker.hbone_counters(&config, &facts.listener);
    let compared = RefCell::default();
    let counting = stats.clone();
    let inbound = Rc::new(Inbound { runtime, config, facts, peer, local, drain, stats, tls, compared });
    let (handle, began) = (server.handle(), clock::now());
    counting.connection_began(true, true);
    accept(&inbound, &mut server).await;
    counting.bytes(&mut (0, 0), handle.counters());
    counting.connection_ended(true, true, clock::now().saturating_duration_since(began));
    let _ = timeout(CLOSE, server.close()).await;
}

async fn accept(inbound: &Rc<Inbound>, server: &mut ServerConn) {
    let handle = server.handle();
    let (mut draining, mut last_call) = (false, None);
    let lost = watch::lost(handle.clone());
    let revoked = revoked(inbound);
    let drained = inbound.drain.started();
    let idle = idle(&handle);
    tokio::pin!(lost, revoked, drained, idle);
    // Made once, and polled only when they were woken: streams come often, these hardly ever.
    let (mut lost, mut revoked) = (Seldom::new(lost), Seldom::new(revoked));
    let (mut drained, mut idle) = (Seldom::new(drained), Seldom::new(idle));
    loop {
        let next = tokio::select! {
            biased;
            next = server.accept() => next,
            () = &mut drained, if !draining => {
                draining = true;
                server.start_drain(false);
                last_call = Some(Instant::now() + LAST_CALL.min(inbound.drain.time()));
                continue;
            }
            () = until(last_call), if last_call.is_some() => {
                last_call = None;
                server.start_drain(true);
                continue;
            }
            () = &mut idle, if !draining => {
                draining = true;
                server.start_drain(true);
                continue;
            }
            () = &mut lost => return,
            () = &mut revoked => return,
        };
        match next {
            Some(Ok(exchange)) => {
                tokio::task::spawn_local(stream::serve(inbound.clone(), exchange));
            }
            Some(Err(ConnError::Refused { .. })) => {}
            Some(Err(error)) => {
                tracing::debug!(peer = ?inbound.facts.direct_remote, %error, "HBONE connection broken");
                return;
            }
            None => return,
        }
    }
}

/// Waits until the connection has had no stream for long.
async fn idle(handle: &ConnHandle) {
    while let Some(last) = handle.last_activity() {
        let at = last + IDLE;
        if handle.open_streams() == 0 && at <= Instant::now() {
            return;
        }
        sleep_until(at.max(Instant::now() + IDLE / 10)).await;
    }
}

/// Waits until secrets come by which the peer would not be let in.
async fn revoked(inbound: &Inbound) {
    let process = &inbound.runtime.worker.process;
    let context = process.server_tls(&inbound.tls);
    let mut changes = process.secrets.watch();
    let then = pool::now();
    let mut by: Option<Arc<ServerAcceptor>> = context.acceptor().ok();
    while changes.changed().await.is_ok() {
        let Ok(acceptor) = context.acceptor() else { continue };
        if by.as_ref().is_some_and(|by| Arc::ptr_eq(by, &acceptor)) {
            continue;
        }
        if !acceptor.still_trusts(&inbound.peer, then) {
            return;
        }
        by = Some(acceptor);
    }
    std::future::pending::<()>().await;
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}
