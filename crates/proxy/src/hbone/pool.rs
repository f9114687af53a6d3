//! A worker's connections that carry streams, by source identity, destination and state of the secrets.

use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::{Arc, Weak};
use std::time::{Duration, UNIX_EPOCH};

use tokio::time::Instant;
use weft_http::clock;
use weft_http::{ClientConn, ConnHandle, Pool, PoolOptions};
use weft_tables::cluster::Hbone;
use weft_tls::{ClientConnector, ClientContext, ContextError, PeerFacts};

use super::connect::{self, NoTunnel, Plan};
use super::head;
use crate::process::Process;

/// How long a connection without streams is kept (AM-06).
const IDLE: Duration = Duration::from_secs(300);
/// How long nobody asks again at an address where nobody took HBONE.
const REFUSED_FOR: Duration = Duration::from_secs(5);

/// One state of the secrets: who we are and whom we trust. It is known by its address, which nothing else
/// has while it is held.
#[derive(Clone, Debug)]
struct Generation(Arc<ClientConnector>);

impl PartialEq for Generation {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Generation {}

impl Hash for Generation {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (Arc::as_ptr(&self.0) as usize).hash(state);
    }
}

/// What tells connections apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    to: SocketAddr,
    bind: Option<SocketAddr>,
    generation: Generation,
    names: Vec<Box<str>>,
    max_streams: u32,
}

/// A connection whose peer was let in.
#[derive(Debug)]
struct Known {
    handle: ConnHandle,
    peer: Rc<PeerFacts>,
    /// When that was, since 1970.
    then: Duration,
    context: Arc<ClientContext>,
    /// The state of the secrets by which it was let in last.
    by: Generation,
}

/// What TLS was made ready for a configuration.
type Made = (Weak<Hbone>, Arc<ClientContext>);

/// The connections of a worker.
#[derive(Debug)]
pub(crate) struct Tunnels {
    pool: Pool<Key, NoTunnel>,
    /// By the address of the configuration, which is not freed while it is known here.
    contexts: RefCell<HashMap<usize, Made>>,
    known: Rc<RefCell<Vec<Known>>>,
    refused: RefCell<HashMap<SocketAddr, Instant>>,
    /// Who we are, as streams tell it.
    pub(super) baggage: Box<str>,
}

impl Tunnels {
    pub(crate) fn new(process: &Process) -> Self {
        Self {
            pool: Pool::new(PoolOptions { idle_timeout: Some(IDLE), ..PoolOptions::default() }),
            contexts: RefCell::default(),
            known: Rc::default(),
            refused: RefCell::default(),
            baggage: head::baggage(&process.filter_shared.node.workload),
        }
    }

    fn context(&self, process: &Process, hbone: &Arc<Hbone>) -> Arc<ClientContext> {
        let make = || (Arc::downgrade(hbone), process.client_tls(&hbone.tls));
        self.contexts.borrow_mut().entry(Arc::as_ptr(hbone) as usize).or_insert_with(make).1.clone()
    }

    /// The state of the secrets in force for that configuration.
    pub(super) fn connector(
        &self,
        process: &Process,
        hbone: &Arc<Hbone>,
    ) -> Result<(Arc<ClientConnector>, Arc<ClientContext>), ContextError> {
        let context = self.context(process, hbone);
        Ok((context.connector()?, context))
    }

    /// A connection with room for one more stream, for `plan` by `context`.
    pub(super) async fn get(
        &self,
        plan: &Plan,
        context: &Arc<ClientContext>,
    ) -> Result<ClientConn, NoTunnel> {
        let key = Key {
            to: plan.to,
            bind: plan.bind,
            generation: Generation(plan.connector.clone()),
            names: plan.names.clone(),
            max_streams: plan.max_streams,
        };
        let make = || {
            let (plan, context, known) = (plan.clone(), context.clone(), self.known.clone());
            async move {
                let by = Generation(plan.connector.clone());
                let conn = connect::connect(plan).await?;
                if let Some(peer) = conn.note::<PeerFacts>() {
                    known.borrow_mut().push(Known { handle: conn.handle(), peer, then: now(), context, by });
                }
                Ok(conn)
            }
        };
        self.pool.get(&key, true, make).await
    }

    /// Whether nobody took HBONE at that address a moment ago.
    pub(super) fn is_refused(&self, at: SocketAddr) -> bool {
        let refused = self.refused.borrow();
        // Almost always there is none.
        !refused.is_empty() && refused.get(&at).is_some_and(|until| *until > clock::now())
    }

    /// Nobody takes HBONE at that address for now.
    pub(super) fn note_refused(&self, at: SocketAddr) {
        self.refused.borrow_mut().insert(at, clock::now() + REFUSED_FOR);
    }

    /// Lets go of what is idle or of an earlier state of the secrets, and closes what the state in force
    /// would not let in.
    pub(crate) fn tend(&self) {
        let at = clock::now();
        self.pool.sweep(at);
        self.refused.borrow_mut().retain(|_, until| *until > at);
        let mut contexts = self.contexts.borrow_mut();
        contexts.retain(|_, (config, _)| config.strong_count() > 0);
        let current: Vec<Generation> =
            contexts.values().filter_map(|(_, context)| context.connector().ok()).map(Generation).collect();
        drop(contexts);
        self.pool.retain(|key| current.contains(&key.generation));
        self.known.borrow_mut().retain_mut(|known| {
            if known.handle.is_closed() {
                return false;
            }
            let Ok(connector) = known.context.connector() else { return true };
            if Arc::ptr_eq(&connector, &known.by.0) {
                return true;
            }
            let trusted = connector.still_trusts(&known.peer, known.then);
            known.by = Generation(connector);
            if !trusted {
                known.handle.abort();
            }
            trusted
        });
    }
}

/// The time since 1970.
pub(super) fn now() -> Duration {
    clock::wall().duration_since(UNIX_EPOCH).unwrap_or_default()
}
