//! The listeners in force: configuration, sockets, and the life of each filter chain.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use weft_net::{
    Address, BoundListener, Keepalive, ListenError, ListenOptions, ListenerSource, Sharing, SocketKey,
};
use weft_tables::address::SocketAddress;
use weft_tables::chain::FilterChain;
use weft_tables::listener::Listener;
use weft_types::Name;

use crate::drain::{self, Drain, DrainSwitch};

/// A listener in force.
#[derive(Debug)]
pub(crate) struct ActiveListener {
    pub(crate) config: Arc<Listener>,
    /// Empty for a listener that only others hand connections to.
    pub(crate) sockets: Vec<Arc<BoundListener>>,
    /// By the address of the chain, which `config` keeps alive.
    lives: HashMap<usize, Life>,
}

/// How long the connections of a filter chain go on: until it is changed or gone, and then for the time
/// of a drain.
#[derive(Clone, Debug)]
struct Life {
    switch: Arc<DrainSwitch>,
    drain: Drain,
}

/// Why a listener has no sockets.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    /// It cannot be listened on.
    #[error("{0} is no address to listen on")]
    Address(SocketAddress),
    /// Another listener has the address.
    #[error("{address} belongs to the listener {by:?} already")]
    Taken {
        /// The address.
        address: SocketAddress,
        /// Who has it.
        by: Name,
    },
    /// The system refuses.
    #[error(transparent)]
    Socket(#[from] ListenError),
}

impl ActiveListener {
    /// Opens the sockets of a listener. Where it takes the place of `previous`, sockets of unchanged
    /// addresses and the lives of unchanged chains go on.
    pub(crate) fn open(
        config: Arc<Listener>,
        previous: Option<&Self>,
        sockets: &ListenerSource,
        workers: usize,
        drain_time: Duration,
    ) -> Result<Arc<Self>, OpenError> {
        let sockets = match previous {
            // Also keeps the port that the system chose.
            Some(old) if same_sockets(&old.config, &config) => old.sockets.clone(),
            _ => bind(&config, sockets, workers)?,
        };
        let lives = chains(&config)
            .map(|chain| {
                let key = Arc::as_ptr(chain) as usize;
                let life = previous.and_then(|p| p.lives.get(&key).cloned()).unwrap_or_else(|| {
                    let (switch, drain) = drain::channel(drain_time);
                    Life { switch: Arc::new(switch), drain }
                });
                (key, life)
            })
            .collect();
        Ok(Arc::new(Self { config, sockets, lives }))
    }

    /// The drain of a chain's connections.
    pub(crate) fn drain_of(&self, chain: &Arc<FilterChain>) -> Option<&Drain> {
        self.lives.get(&(Arc::as_ptr(chain) as usize)).map(|life| &life.drain)
    }

    /// Begins the drain of all chains that `next` does not have.
    fn retire(&self, next: Option<&Self>) {
        for (key, life) in &self.lives {
            if !next.is_some_and(|next| next.lives.contains_key(key)) {
                life.switch.start();
            }
        }
    }
}

/// All chains of a listener.
pub(crate) fn chains(config: &Listener) -> impl Iterator<Item = &Arc<FilterChain>> {
    config.chains.chains.iter().map(|(_, chain)| chain).chain(&config.chains.default)
}

fn same_sockets(old: &Listener, new: &Listener) -> bool {
    old.addresses == new.addresses
        && old.transparent == new.transparent
        && old.bind_to_port == new.bind_to_port
        && old.backlog == new.backlog
}

fn bind(
    listener: &Listener,
    source: &ListenerSource,
    workers: usize,
) -> Result<Vec<Arc<BoundListener>>, OpenError> {
    if !listener.bind_to_port {
        return Ok(Vec::new());
    }
    let mut sockets = Vec::new();
    for address in &listener.addresses {
        let key = SocketKey { transparent: listener.transparent, ..SocketKey::new(socket_address(address)?) };
        let loopback = address.ip().is_some_and(|a| a.ip().is_loopback());
        // On loopback a second process on the address must fail loudly, not share the traffic.
        let sharing =
            if listener.reuse_port && !loopback { Sharing::ReusePort(workers) } else { Sharing::Exclusive };
        let keepalive =
            listener.keepalive.map(|k| Keepalive { probes: k.probes, time: k.time, interval: k.interval });
        let options =
            ListenOptions { sharing, backlog: listener.backlog, keepalive, ..ListenOptions::default() };
        sockets.push(source.open(&key, &options)?);
    }
    Ok(sockets)
}

/// The address of a socket.
pub(crate) fn socket_address(address: &SocketAddress) -> Result<Address, OpenError> {
    Ok(match address {
        SocketAddress::Ip(ip) => Address::Ip(*ip),
        SocketAddress::Unix(path) => Address::Unix(path.clone()),
        other => return Err(OpenError::Address(other.clone())),
    })
}

/// All listeners in force.
#[derive(Clone, Debug, Default)]
pub(crate) struct ListenerSet {
    by_name: BTreeMap<Name, Arc<ActiveListener>>,
    /// Those that connections are handed over to by original destination.
    by_address: HashMap<SocketAddr, Arc<ActiveListener>>,
}

impl ListenerSet {
    /// The set with these changes: `None` removes. What is replaced or removed begins to drain.
    pub(crate) fn with(&self, changes: Vec<(Name, Option<Arc<ActiveListener>>)>) -> Self {
        let mut by_name = self.by_name.clone();
        for (name, listener) in changes {
            let old = match &listener {
                Some(listener) => by_name.insert(name, listener.clone()),
                None => by_name.remove(&name),
            };
            if let Some(old) = old {
                old.retire(listener.as_deref());
            }
        }
        let mut by_address = HashMap::new();
        for listener in by_name.values().filter(|l| !l.config.use_original_dst) {
            for address in listener.config.addresses.iter().filter_map(SocketAddress::ip) {
                by_address.entry(address).or_insert_with(|| listener.clone());
            }
        }
        Self { by_name, by_address }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<ActiveListener>> {
        self.by_name.values()
    }

    /// The listener of that name.
    pub(crate) fn named(&self, name: &Name) -> Option<Arc<ActiveListener>> {
        self.by_name.get(name).cloned()
    }

    /// Whether none of the others listens on one of these addresses.
    pub(crate) fn check_free<'a>(
        others: impl Iterator<Item = &'a Arc<ActiveListener>>,
        listener: &Listener,
    ) -> Result<(), OpenError> {
        let fixed = |a: &&SocketAddress| a.ip().is_none_or(|ip| ip.port() != 0);
        let wanted: Vec<_> = listener.addresses.iter().filter(fixed).collect();
        for other in others {
            let Listener { name, addresses, bind_to_port, .. } = &*other.config;
            if !listener.bind_to_port || !bind_to_port || *name == listener.name {
                continue;
            }
            if let Some(address) = wanted.iter().find(|a| addresses.contains(a)) {
                return Err(OpenError::Taken { address: (**address).clone(), by: name.clone() });
            }
        }
        Ok(())
    }

    /// The listener that a connection to that destination belongs to, for listeners that hand over by
    /// original destination: the exact address, then the same port on any address.
    pub(crate) fn for_destination(&self, to: SocketAddr) -> Option<Arc<ActiveListener>> {
        let any: IpAddr = if to.is_ipv4() { [0, 0, 0, 0].into() } else { [0u16; 8].into() };
        let found = self.by_address.get(&to);
        found.or_else(|| self.by_address.get(&SocketAddr::new(any, to.port()))).cloned()
    }
}
