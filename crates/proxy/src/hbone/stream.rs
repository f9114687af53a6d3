//! One stream that came in: a connection from its peer to one of our listeners.

use std::rc::Rc;
use std::sync::Arc;

use tokio::time::timeout;
use weft_codec::detect::http::{HttpSniff, sniff};
use weft_http::Exchange;
use weft_http::clock;
use weft_tables::chain::FilterChain;
use weft_tables::listener::{Listener, ListenerFilter};
use weft_types::{Name, RequestHead, Version};

use super::head::{self, OPAQUE, Refusal};
use super::inbound::Inbound;
use super::tunnel::Tunnel;
use crate::listen::accepted::ConnFacts;
use crate::listen::active::ActiveListener;
use crate::listen::serve::{self, Io};

/// Most bytes that are looked at to tell HTTP.
const MAX_PEEK: usize = 64 * 1024;

/// Serves a stream to its end.
pub(super) async fn serve(inbound: Rc<Inbound>, exchange: Exchange) {
    let Exchange { head, body, reply } = exchange;
    let _serving = inbound.runtime.worker.serving();
    let (stats, began) = (&inbound.stats, clock::now());
    stats.request_began(Version::Http2);
    through(&inbound, &head, Tunnel::server(reply, body, stats.clone())).await;
    stats.request_ended(began);
}

async fn through(inbound: &Rc<Inbound>, head: &RequestHead, mut tunnel: Tunnel) {
    let (active, chain, facts) = match place(inbound, head, &mut tunnel).await {
        Ok(place) => place,
        Err(refusal) => {
            let (peer, identity) = (inbound.facts.direct_remote, inbound.peer.identity());
            tracing::debug!(?peer, ?identity, %refusal, "HBONE stream refused");
            return tunnel.refuse(refusal.status()).await;
        }
    };
    let (runtime, io) = (&inbound.runtime, Io::Tunnel(Box::new(tunnel)));
    match active.drain_of(&chain) {
        None => serve::terminal(runtime, &chain, io, facts, inbound.drain.clone()).await,
        // A chain that is changed or gone lets its connections end by themselves for some time.
        Some(life) => {
            let serving = serve::terminal(runtime, &chain, io, facts, inbound.drain.or(life));
            tokio::select! {
                biased;
                () = serving => {}
                () = life.over() => {}
            }
        }
    }
}

type Place = (Arc<ActiveListener>, Arc<FilterChain>, ConnFacts);

/// The listener and the chain for a stream, and what they may know of it.
async fn place(inbound: &Rc<Inbound>, head: &RequestHead, tunnel: &mut Tunnel) -> Result<Place, Refusal> {
    let to = head::destination(head, inbound.local)?;
    let process = &inbound.runtime.worker.process;
    let named = || process.listener_named(inbound.config.listener.as_ref()?);
    let active = process.listener_for(to).or_else(named).ok_or(Refusal::Nowhere(to))?;
    let of = &inbound.facts;
    let mut facts = ConnFacts {
        id: inbound.runtime.worker.next_connection_id(),
        listener: active.config.clone(),
        direct_remote: of.direct_remote,
        source: head::source(head, of.direct_remote),
        local: Some(to),
        original: Some(to),
        server_name: None,
        transport: "tls",
        protocols: Vec::new(),
        chain: Name::from(""),
        peer: Some(inbound.peer.clone()),
        local_uris: of.local_uris.clone(),
        state: Default::default(),
        istio: None,
        termination: Box::default(),
        began: clock::wall(),
        start: clock::now(),
    };
    facts.protocols = match head::protocols(head) {
        Some(protocols) => protocols,
        None => vec![spoken(&active.config, &facts, tunnel).await.into()],
    };
    let chain = serve::choose(&facts.listener, &facts).ok_or(Refusal::Nowhere(to))?;
    if !inbound.is_verified_for(&chain) {
        return Err(Refusal::OtherTrust(to, (*chain.name).into()));
    }
    facts.chain = chain.name.clone();
    Ok((active, chain, facts))
}

/// What is spoken, in the names by which clients of the mesh offer it, as far as the listener looks.
async fn spoken(listener: &Listener, facts: &ConnFacts, tunnel: &mut Tunnel) -> &'static str {
    let looks = listener.filters.contains(&ListenerFilter::HttpInspector)
        && listener.runs(&ListenerFilter::HttpInspector, facts.local);
    if !looks {
        return OPAQUE;
    }
    // Nothing comes before the answer.
    tunnel.agree().await;
    let look = async {
        loop {
            match sniff(tunnel.seen()) {
                HttpSniff::NeedMore if tunnel.seen().len() < MAX_PEEK => {
                    if !matches!(tunnel.see_more().await, Ok(true)) {
                        return None;
                    }
                }
                found => return found.application_protocol(),
            }
        }
    };
    let found = match listener.filters_timeout {
        None => look.await,
        Some(limit) => timeout(limit, look).await.unwrap_or_default(),
    };
    match found {
        Some("http/1.0") => "istio-http/1.0",
        Some("http/1.1") => "istio-http/1.1",
        Some("h2c") => "istio-h2",
        _ => OPAQUE,
    }
}
