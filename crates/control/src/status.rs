//! Whether each of Istio's objects is in effect, in its own status: on how many proxies it is acknowledged, and what
//! goes before it. Sources: CRD-18, CP-29.
//!
//! ```text
//!  inventory: objects ──────────────┐
//!  World, Findings: diagnostics ────┼─► verdict ─► Stated ─► due: what differs, a few at a time ─► conditions::write
//!  Nodes: sets ─ trace ─┐           │                         (only while we lead)
//!  Streams: ACK, NACK ──┴─► concern ┘
//! ```
//!
//! Counted are the proxies of this replica, which leads; those of others are not known here.
//!
//! # Invariants
//! - An object is written when what is said of it differs from what was written, never twice the same.
//! - At most [`A_ROUND`] objects are written in a [`ROUND`]; what changes meanwhile is written once, as it is then.

mod concern;
mod due;
mod trace;
mod verdict;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval};
use weft_kube_source::Client;
use weft_kube_source::conditions::{Stated, Written, write};
use weft_kube_source::inventory::{Inventory, Listed, ObjectKey};
use weft_kube_source::leases::{Term, lead};
use weft_xds::server::Streams;

use crate::nodes::Nodes;
use crate::world::World;
use concern::Concerns;
use due::Due;
use verdict::{Said, verdict};

/// Time between looks.
pub const ROUND: Duration = Duration::from_secs(1);
/// Most objects that are written in a round.
pub const A_ROUND: usize = 20;

/// What statuses are made of.
#[derive(Clone, Debug)]
struct Known {
    inventory: Inventory,
    /// What is said of them.
    worlds: watch::Receiver<Arc<World>>,
    /// Proxies, their sets, and what is said for them.
    nodes: Arc<Nodes>,
    /// What they have acknowledged.
    streams: Streams,
}

/// Where statuses are written, and when.
#[derive(Clone)]
pub struct Statuses {
    /// The API server.
    pub client: Client,
    /// The objects.
    pub inventory: Inventory,
    /// Whether we lead.
    pub term: Term,
}

impl std::fmt::Debug for Statuses {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Statuses").field("term", &self.term).finish_non_exhaustive()
    }
}

impl Statuses {
    /// Keeps them while we lead, until nobody stands for election any more.
    pub async fn keep(self, worlds: watch::Receiver<Arc<World>>, nodes: Arc<Nodes>, streams: Streams) {
        let Self { client, inventory, term } = self;
        let known = Known { inventory, worlds, nodes, streams };
        lead(term, || keep(client.clone(), known.clone())).await;
    }
}

/// Keeps statuses as they are to be. Runs until dropped; to be begun anew with each term as leader.
async fn keep(client: Client, known: Known) {
    let mut looking = Looking { known, changes: 0, objects: BTreeMap::new(), concerns: Concerns::default() };
    let mut due = Due::default();
    let mut rounds = interval(ROUND);
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut trouble = false;
    loop {
        rounds.tick().await;
        // A look takes as long as there are proxies and objects: not on a thread that others wait for.
        let looked = tokio::task::spawn_blocking(move || {
            let stated = looking.look();
            (looking, stated)
        });
        let stated;
        (looking, stated) = match looked.await {
            Ok(looked) => looked,
            Err(error) => return tracing::error!(%error, "no statuses any more in this term"),
        };
        for (key, stated) in due.of(stated, Instant::now(), A_ROUND) {
            match write(&client, &key, &stated).await {
                Ok(Written::Conflict) => {}
                Ok(written) => {
                    trouble = false;
                    tracing::debug!(%key, ?written, reason = stated.reason, "status");
                    due.done(key, stated, Instant::now());
                }
                Err(error) => {
                    if !std::mem::replace(&mut trouble, true) {
                        tracing::warn!(%key, %error, "a status is not written");
                    }
                    break;
                }
            }
        }
    }
}

struct Looking {
    known: Known,
    changes: u64,
    objects: BTreeMap<ObjectKey, Listed>,
    concerns: Concerns,
}

impl Looking {
    /// What is to be said of each object now.
    fn look(&mut self) -> BTreeMap<ObjectKey, Stated> {
        if let Some((changes, objects)) = self.known.inventory.since(self.changes) {
            (self.changes, self.objects) = (changes, objects);
        }
        let world = self.known.worlds.borrow().clone();
        let said = Said::new(world.diagnostics.iter().cloned().chain(self.known.nodes.findings().all()));
        let root = &world.snapshot.mesh.root_namespace;
        let concerns =
            self.concerns.look(&self.objects, &self.known.nodes.all(), &self.known.streams.all(), root);
        let stated = |(key, listed): (&ObjectKey, &Listed)| {
            (key.clone(), verdict(listed, said.of(key), concerns.get(key)))
        };
        self.objects.iter().map(stated).collect()
    }
}
