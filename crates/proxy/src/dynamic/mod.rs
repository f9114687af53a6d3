//! Configuration that comes over xDS while the process runs.
//!
//! ```text
//! server ──► weft_xds::client ──► configuration ──► read (bytes → values, or a refusal)
//!   ▲                                │  stores: in force, waiting
//!   └── accepted, refused; wanted ◄──┤  interests
//!                                    └─ settle ──► process.apply(tables), process.listeners ──► workers
//! ```
//!
//! All of it runs on the main thread; workers see finished tables alone.

mod chains;
mod configuration;
mod connect;
mod counts;
mod dump;
mod files;
mod identity;
mod interests;
mod node;
mod read;
mod settle;
mod source;
mod store;
mod wants;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde_json::Value as Json;
use tokio::sync::Notify;
use weft_agent::identity::{Certificates, Identity};
use weft_tables::Finding;
use weft_types::random::{Random, SplitMix};
use weft_xds::client::drive::{self, Application, Connection, Outcome};
use weft_xds::client::{Client, Delivery, Interest, Limits};

use crate::process::Process;
use configuration::Configuration;
pub(crate) use source::Source;

/// The configuration that comes over xDS, for the main thread.
#[derive(Clone, Debug)]
pub(crate) struct Dynamic {
    configuration: Rc<RefCell<Configuration>>,
    link: Rc<RefCell<LinkState>>,
    certificates: Option<Certificates>,
    counts: counts::Counts,
    /// Told when something else than a delivery may have changed what is wanted.
    wants: Rc<Notify>,
}

/// How the connection fares.
#[derive(Clone, Debug)]
struct LinkState {
    up: bool,
    since: SystemTime,
    /// Why the last one ended, or did not begin.
    problem: Option<String>,
    connects: u64,
}

/// Begins to ask the server, for as long as the process runs. To be called within the main thread's
/// `LocalSet`.
pub(crate) fn start(
    source: Source,
    process: &Arc<Process>,
    workers: usize,
    drain_time: Duration,
    seed: u64,
) -> Dynamic {
    let local: BTreeSet<_> = if source.has_identity() { identity::names() } else { BTreeSet::new() };
    let configuration = Configuration::new(process.clone(), workers, drain_time, source.scope(), local);
    let link = LinkState { up: false, since: SystemTime::now(), problem: None, connects: 0 };
    let identity = identity::obtain(&source, seed);
    let dynamic = Dynamic {
        configuration: Rc::new(RefCell::new(configuration)),
        link: Rc::new(RefCell::new(link)),
        certificates: identity.as_ref().map(Identity::certificates),
        counts: counts::Counts::new(&process.registry),
        wants: Rc::default(),
    };
    let mut client = Client::new(source.node(), source.protocol(), Limits::default());
    for (type_url, interest) in dynamic.configuration.borrow_mut().interests() {
        client.set_interest(&type_url, interest);
    }
    if let Some(identity) = identity {
        tokio::task::spawn_local(identity::follow(identity, process.clone(), dynamic.clone()));
    }
    tokio::task::spawn_local(keep_deadlines(dynamic.clone()));
    tokio::task::spawn_local(files::watch(dynamic.clone()));
    let process = process.clone();
    let mut application = dynamic.clone();
    let mut dice = SplitMix::new(seed);
    tokio::task::spawn_local(async move {
        let certificates = application.certificates.clone();
        let connect = || source.connect(&process, certificates.as_ref());
        drive::drive(client, &mut application, connect, || dice.next_u64()).await;
    });
    dynamic
}

/// Ends the patience with what did not come.
async fn keep_deadlines(dynamic: Dynamic) {
    let changed = dynamic.configuration.borrow().deadlines.clone();
    loop {
        let deadline = dynamic.configuration.borrow().deadline();
        let over = async {
            match deadline {
                Some(deadline) => tokio::time::sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = over => dynamic.changes(Configuration::settle),
            () = changed.notified() => {}
        }
    }
}

impl Application for Dynamic {
    fn deliver(&mut self, delivery: &Delivery) -> Outcome {
        let mut configuration = self.configuration.borrow_mut();
        let outcome = configuration.deliver(delivery);
        self.counts.delivered(delivery, !(outcome.refusals.is_empty() && delivery.refused.is_empty()));
        self.counts.sizes(configuration.clusters.counts(), configuration.listeners.counts());
        outcome
    }

    async fn changed(&mut self) -> Vec<(Arc<str>, Interest)> {
        loop {
            self.wants.notified().await;
            let interests = self.configuration.borrow_mut().interests();
            if !interests.is_empty() {
                return interests;
            }
        }
    }

    fn connection(&mut self, state: Connection<'_>) {
        let mut link = self.link.borrow_mut();
        self.counts.connected(matches!(state, Connection::Up));
        match state {
            Connection::Up => {
                tracing::info!("the xDS server answers");
                *link = LinkState {
                    up: true,
                    since: SystemTime::now(),
                    problem: None,
                    connects: link.connects + 1,
                };
            }
            Connection::Lost(reason) => {
                tracing::warn!(%reason, "no xDS server; what is in force stays");
                link.problem = Some(reason.to_owned());
                if std::mem::take(&mut link.up) {
                    link.since = SystemTime::now();
                }
            }
        }
    }
}

impl Dynamic {
    /// Waits until everything has come once, with what it refers to.
    pub(crate) async fn configured(&self) {
        let mut complete = self.configuration.borrow().completion();
        let _ = complete.wait_for(|complete| *complete).await;
    }

    /// A secret of this process has come.
    fn secret_came(&self) {
        self.changes(Configuration::settle);
    }

    /// A change that no delivery brings: what depends on it is told.
    fn changes(&self, change: impl FnOnce(&mut Configuration)) {
        let mut configuration = self.configuration.borrow_mut();
        change(&mut configuration);
        self.counts.sizes(configuration.clusters.counts(), configuration.listeners.counts());
        self.wants.notify_one();
    }

    /// Fields of resources in force and waiting that have no effect.
    pub(crate) fn findings(&self) -> Vec<Finding> {
        dump::findings(&self.configuration.borrow())
    }

    /// How long the workload's certificate lasts, for Prometheus.
    pub(crate) fn identity_counters(&self) -> String {
        let certificate = self.certificates.as_ref().and_then(|c| c.borrow().clone());
        weft_agent::metrics::own(certificate.as_deref(), SystemTime::now())
    }

    /// All resources.
    pub(crate) fn dump(&self) -> Json {
        dump::resources(&self.configuration.borrow())
    }

    /// The connection, and what is refused.
    pub(crate) fn status(&self) -> Json {
        dump::status(&self.configuration.borrow(), &self.link.borrow())
    }
}
