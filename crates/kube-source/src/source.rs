//! The cluster as a source.

use kube::Client;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use weft_source::Update;

use crate::collect::collect;
use crate::follow::follow;
use crate::inventory::Inventory;
use crate::kinds::WATCHED;

/// Changes that may wait to be collected; more hold up their watches.
const QUEUE: usize = 256;

/// All kinds of a cluster, watched until dropped.
#[derive(Debug)]
pub struct Source {
    /// Aborted when dropped.
    _tasks: JoinSet<()>,
    synced: oneshot::Receiver<()>,
    inventory: Inventory,
}

impl Source {
    /// Begins to watch [`WATCHED`]. `deliver` gets all of the cluster once each kind has been listed, and then
    /// each change after [`QUIET`](weft_source::limits::QUIET), in order. Needs a running runtime.
    #[must_use]
    pub fn start(client: &Client, mut deliver: impl FnMut(Update) + Send + 'static) -> Self {
        let mut tasks = JoinSet::new();
        let (send, changes) = mpsc::channel(QUEUE);
        for (index, watched) in WATCHED.into_iter().enumerate() {
            tasks.spawn(follow(client.clone(), index, watched, send.clone()));
        }
        let (told, synced) = oneshot::channel();
        let mut told = Some(told);
        let inventory = Inventory::default();
        tasks.spawn(collect(WATCHED.len(), inventory.clone(), changes, move |update| {
            deliver(update);
            if let Some(told) = told.take() {
                // Nobody need wait for it.
                let _ = told.send(());
            }
        }));
        Self { _tasks: tasks, synced, inventory }
    }

    /// Objects that have a status.
    #[must_use]
    pub fn inventory(&self) -> &Inventory {
        &self.inventory
    }

    /// Waits until the first update has been delivered. To be called once.
    pub async fn synced(&mut self) {
        // Its end before that is the end of the runtime.
        let _ = (&mut self.synced).await;
    }
}
