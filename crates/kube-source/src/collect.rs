//! Changes of all kinds, collected until they are quiet.

use std::future::pending;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use weft_source::Update;
use weft_source::limits::{LATEST, QUIET};

use crate::held::{Change, Held};
use crate::inventory::Inventory;

/// Quiet time before the first update: a cluster that starts has all of its kinds at once.
const FIRST: Duration = Duration::ZERO;

/// Tells updates until all who send changes are gone. The first holds everything.
pub(crate) async fn collect(
    kinds: usize,
    inventory: Inventory,
    mut changes: mpsc::Receiver<(usize, Change)>,
    mut deliver: impl FnMut(Update),
) {
    let mut held = Held::new(kinds, inventory);
    let mut quiet = FIRST;
    // Of the changes that have not been told: when the first came, and when the last.
    let mut span: Option<(Instant, Instant)> = None;
    loop {
        let due = span
            .filter(|_| held.is_complete())
            .map(|(first, last): (Instant, Instant)| (last + quiet).min(first + LATEST));
        let wait = async {
            match due {
                Some(due) => sleep_until(due).await,
                None => pending().await,
            }
        };
        tokio::select! {
            change = changes.recv() => {
                let Some((kind, change)) = change else { return };
                held.apply(kind, change);
                // What changes nothing (a node's heartbeat) puts nothing off.
                if held.is_changed() {
                    let now = Instant::now();
                    span = Some((span.map_or(now, |(first, _)| first), now));
                }
            }
            () = wait => {
                span = None;
                quiet = QUIET;
                deliver(held.take());
            }
        }
    }
}
