//! The connection: listener, chain, network filters.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use weft_balance::PickContext;
use weft_filter::network::rbac_allows;
use weft_filter::{Context, Facts, LocalReply};
use weft_tables::chain::{ConnectionFacts, FilterChain, Terminal};
use weft_tables::filter::NetworkFilter;
use weft_tables::listener::{Listener, ListenerFilter};
use weft_tables::tcp::TcpProxy;
use weft_types::{Headers, Name, Random, ResponseFlag};

use crate::{Call, Outcome, Simulator, Verdict};

/// A call on its way.
pub(crate) struct Connection<'a> {
    pub(crate) simulator: &'a mut Simulator,
    pub(crate) call: &'a Call,
    pub(crate) now: Instant,
    /// Where the connection goes.
    pub(crate) local: Option<SocketAddr>,
    pub(crate) verdict: Verdict,
}

impl<'a> Connection<'a> {
    pub(crate) fn new(simulator: &'a mut Simulator, call: &'a Call, now: Instant) -> Self {
        let verdict = Verdict::closed("no listener of that name");
        Self { simulator, call, now, local: call.destination, verdict }
    }

    pub(crate) fn judge(mut self, dice: &mut impl Random) -> Verdict {
        let tables = self.simulator.tables.clone();
        let Some(listener) = tables.listeners.get(self.call.listener.as_str()) else { return self.verdict };
        self.local = self.call.destination.or_else(|| listener.addresses.first()?.ip());
        match self.chain(listener) {
            Some(chain) => self.serve(&chain, dice),
            None => {
                self.verdict.flags.insert(ResponseFlag::NoRouteFound);
                self.close("filter_chain_not_found");
            }
        }
        self.verdict
    }

    /// The chain by what the listener's filters would find out.
    fn chain(&self, listener: &Listener) -> Option<Arc<FilterChain>> {
        let call = self.call;
        let peeks =
            |filter: &ListenerFilter| listener.filters.contains(filter) && listener.runs(filter, self.local);
        let sees_tls = call.tls && peeks(&ListenerFilter::TlsInspector);
        let sees_http = !call.tls && peeks(&ListenerFilter::HttpInspector);
        let protocols: Vec<&str> = call.protocols.iter().map(String::as_str).collect();
        let server_name = call.server_name.as_deref().filter(|_| sees_tls).map(str::to_ascii_lowercase);
        let pair = |address: SocketAddr| (address.ip(), address.port());
        let facts = ConnectionFacts {
            destination: self.local.map(pair),
            source: call.source.map(pair),
            direct_source: call.source.map(|a| a.ip()),
            server_name: server_name.as_deref().unwrap_or_default(),
            transport_protocol: if sees_tls { "tls" } else { "raw_buffer" },
            application_protocols: if sees_tls || sees_http { &protocols } else { &[] },
        };
        listener.chains.find(&facts).cloned()
    }

    fn serve(&mut self, chain: &FilterChain, dice: &mut impl Random) {
        self.verdict.chain = Some(chain.name.clone());
        match (&chain.tls, self.call.tls) {
            (Some(_), false) => return self.close("plaintext to a chain of TLS"),
            (None, true) if matches!(chain.terminal, Terminal::Http(_)) => {
                return self.close("TLS to a chain of plaintext");
            }
            _ => {}
        }
        let cx = Context {
            facts: Arc::new(self.facts()),
            remote: self.call.source,
            now: Some(self.now),
            ..Context::default()
        };
        let mut named = None;
        for filter in &chain.filters {
            match filter {
                NetworkFilter::Rbac(rbac) if !rbac_allows(rbac, &cx).allowed => {
                    return self.close("rbac_access_denied");
                }
                NetworkFilter::SniCluster => named = self.call.server_name.as_deref().map(Name::from),
                _ => {}
            }
        }
        match (&chain.terminal, &self.call.head) {
            (Terminal::Http(manager), Some(head)) => self.http(manager, head.clone(), dice),
            (Terminal::Http(_), None) => self.close("not HTTP"),
            (Terminal::Tcp(tcp), _) => self.tcp(tcp, named, dice),
            (Terminal::Echo | Terminal::DirectResponse(_) | Terminal::Hbone(_) | Terminal::Close, _) => {
                self.close("answered by a network filter");
            }
        }
    }

    /// What policies may read of the connection.
    pub(crate) fn facts(&self) -> Facts {
        let call = self.call;
        Facts {
            direct_remote: call.source,
            source: call.source,
            local: self.local,
            server_name: call.server_name.as_deref().map(Into::into),
            tls: call.tls,
            peer_verified: !call.peer_uris.is_empty(),
            peer_uris: call.peer_uris.iter().map(|u| u.as_str().into()).collect(),
            ..Facts::default()
        }
    }

    /// Opaque bytes go to one of the targets by weight, or to the cluster that a filter named.
    fn tcp(&mut self, tcp: &TcpProxy, named: Option<Name>, dice: &mut impl Random) {
        let total: u64 = tcp.clusters.iter().map(|t| u64::from(t.weight)).sum();
        let mut point = dice.below(total);
        let drawn = tcp.clusters.iter().find(|target| {
            let weight = u64::from(target.weight);
            let hit = point < weight || tcp.clusters.len() == 1;
            point = point.saturating_sub(weight);
            hit
        });
        let Some(name) = named.or_else(|| drawn.map(|target| target.cluster.clone())) else {
            return self.close("no cluster");
        };
        let subset = drawn.map(|target| &target.subset).filter(|subset| !subset.is_empty());
        let context = PickContext { subset, ..PickContext::new(self.now) };
        match self.pick(&name, &context, dice) {
            Some(host) => {
                self.verdict.outcome = Outcome::Forwarded {
                    cluster: name,
                    host: host.address,
                    head: None,
                    mirrors: Vec::new(),
                    answer: None,
                };
            }
            None if self.simulator.tables.clusters.contains_key(&name) => {
                self.verdict.flags.insert(ResponseFlag::NoHealthyUpstream);
                self.close("no healthy upstream");
            }
            None => {
                self.verdict.flags.insert(ResponseFlag::NoClusterFound);
                self.close("cluster_not_found");
            }
        }
    }

    pub(crate) fn close(&mut self, why: &'static str) {
        self.verdict.outcome = Outcome::Closed(why);
    }

    /// Writes down what a reply says of itself.
    pub(crate) fn note(&mut self, reply: &LocalReply) {
        for flag in reply.flags.iter() {
            self.verdict.flags.insert(flag);
        }
        self.verdict.detail = Some(reply.detail.clone());
    }

    pub(crate) fn respond(&mut self, status: u16, headers: Headers, body: bytes::Bytes) {
        self.verdict.outcome = Outcome::Response { status, headers, body };
    }
}
