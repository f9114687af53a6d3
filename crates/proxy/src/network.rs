//! Network filters and small terminal filters.

use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use weft_filter::network::{rbac_allows, rbac_shadow};
use weft_filter::{Context, Facts};
use weft_net::Prefixed;
use weft_state::{Permit, Resource};
use weft_tables::filter::NetworkFilter;
use weft_tables::istio::{LOCAL_PRINCIPAL, PEER_PRINCIPAL};
use weft_types::Name;

use crate::http::report;
use crate::listen::accepted::ConnFacts;
use crate::listen::listener::ListenerRuntime;
use crate::listen::serve::Io;

/// What an HTTP/2 client sends first.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Most bytes that are read to tell the two versions of HTTP apart.
const FIRST_READ: usize = 16 * 1024;

/// The key under which a connection's state names the cluster of a TCP proxy.
pub(crate) const TCP_CLUSTER: &str = "envoy.tcp_proxy.cluster";

/// What a connection that is let in holds while it lives.
#[derive(Debug, Default)]
pub(crate) struct Admission(Vec<Place>);

/// A place under a limit of connections.
#[derive(Debug)]
struct Place {
    runtime: Rc<ListenerRuntime>,
    stat_prefix: Name,
    // In this order: the count outlives its last unit.
    _unit: Permit,
    _count: Arc<Resource>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.runtime.stats.connection_limit(&self.stat_prefix, -1);
    }
}

/// Runs the chain's network filters: what they note is in the connection's state, and `None` says that
/// one of them refuses it.
pub(crate) fn admit(
    runtime: &Rc<ListenerRuntime>,
    filters: &[NetworkFilter],
    facts: &mut ConnFacts,
) -> Option<Admission> {
    let mut admission = Admission::default();
    if filters.is_empty() {
        return Some(admission);
    }
    // Counts what others refuse, too.
    facts.istio = filters.iter().find_map(|filter| match filter {
        NetworkFilter::IstioStats(config) => Some(config.clone()),
        _ => None,
    });
    let mut cx = Context { facts: facts.filter_facts(), remote: facts.source, ..Context::default() };
    for filter in filters {
        match filter {
            NetworkFilter::Rbac(rbac) => {
                if let Some(shadow) = rbac_shadow(rbac, &cx) {
                    runtime.stats.rbac_shadow(rbac, shadow.allowed);
                }
                let verdict = rbac_allows(rbac, &cx);
                runtime.stats.rbac(&rbac.stat_prefix, verdict.allowed);
                if !verdict.allowed {
                    let policy = verdict.policy.as_deref().unwrap_or("none");
                    let detail = format!("rbac_access_denied_matched_policy[{policy}]");
                    facts.termination = detail.replace(|c: char| c.is_ascii_whitespace(), "_").into();
                    return None;
                }
            }
            NetworkFilter::ConnectionLimit { stat_prefix, max } => {
                admission.0.push(place(runtime, stat_prefix, *max)?);
            }
            NetworkFilter::SniCluster => {
                if let Some(name) = facts.server_name.clone() {
                    facts.state.insert(TCP_CLUSTER.into(), name);
                }
            }
            NetworkFilter::SetFilterState(config) => {
                for entry in &config.entries {
                    let value = report::for_connection(&runtime.worker, facts, &entry.value);
                    if !(entry.skip_if_empty && value.is_empty()) {
                        facts.state.insert(entry.key.clone(), value.into());
                    }
                }
            }
            NetworkFilter::IstioAuthn => note_principals(facts, &cx.facts),
            NetworkFilter::IstioStats(_) => {}
        }
        cx.state.clone_from(&facts.state);
    }
    Some(admission)
}

/// Who is at both ends, as far as it was verified.
fn note_principals(facts: &mut ConnFacts, known: &Facts) {
    let identity = |uris: &[Box<str>]| uris.first().filter(|uri| uri.starts_with("spiffe://")).cloned();
    let peer = identity(&known.peer_uris).filter(|_| known.peer_verified);
    let both = [(PEER_PRINCIPAL, peer), (LOCAL_PRINCIPAL, identity(&facts.local_uris))];
    for (key, principal) in both {
        facts.state.extend(principal.map(|principal| (key.into(), principal)));
    }
}

/// A place under the limit, counted over all workers.
fn place(runtime: &Rc<ListenerRuntime>, stat_prefix: &Name, max: u64) -> Option<Place> {
    let count = runtime.worker.process.connection_limit(&runtime.config.name, stat_prefix);
    let Some(unit) = count.try_acquire(u32::try_from(max).unwrap_or(u32::MAX)) else {
        runtime.stats.connection_limited(stat_prefix);
        return None;
    };
    runtime.stats.connection_limit(stat_prefix, 1);
    Some(Place { runtime: runtime.clone(), stat_prefix: stat_prefix.clone(), _unit: unit, _count: count })
}

/// Whether the first bytes are HTTP/2's preface; waits for as many as it takes to tell.
pub(crate) async fn begins_http2<S: AsyncRead + Unpin>(stream: &mut Prefixed<S>) -> bool {
    loop {
        let seen = stream.prefix();
        let common = seen.len().min(PREFACE.len());
        if seen[..common] != PREFACE[..common] {
            return false;
        }
        if common == PREFACE.len() {
            return true;
        }
        // A whole request in one read, as a rule: what follows takes over what was read.
        match stream.fill(FIRST_READ).await {
            Ok(n) if n > 0 => {}
            _ => return false,
        }
    }
}

/// Sends back what comes.
pub(crate) async fn echo(io: Io) {
    match io {
        Io::Plain(stream) => echo_stream(stream).await,
        Io::Tls(stream) => echo_stream(*stream).await,
        Io::Tunnel(stream) => echo_stream(*stream).await,
    }
}

async fn echo_stream(mut stream: impl AsyncRead + AsyncWrite + Unpin) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(read @ 1..) = stream.read(&mut buffer).await {
        if stream.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
    let _ = stream.shutdown().await;
}

/// Sends these bytes and closes.
pub(crate) async fn direct_response(io: Io, bytes: &Bytes) {
    match io {
        Io::Plain(mut stream) => {
            let _ = stream.write_all(bytes).await;
            let _ = stream.shutdown().await;
        }
        Io::Tls(mut stream) => {
            let _ = stream.write_all(bytes).await;
            let _ = stream.shutdown().await;
        }
        Io::Tunnel(mut stream) => {
            let _ = stream.write_all(bytes).await;
            let _ = stream.shutdown().await;
        }
    }
}
