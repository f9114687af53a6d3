//! What the process does every now and then.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crate::process::Process;
use crate::stats::Counting;
use crate::upstream::health;
use crate::worker::Worker;

/// Time between two looks at what a worker keeps.
const LOOK: Duration = Duration::from_secs(1);

/// Runs for the life of a worker.
pub(crate) async fn tend_worker(worker: Rc<Worker>) {
    loop {
        tokio::time::sleep(LOOK).await;
        worker.tend();
    }
}

/// Runs for the life of the process.
pub(crate) async fn run(process: Arc<Process>) {
    // Hosts are checked before anybody asks for them: the first request is to find the good ones.
    let tables = process.tables.load_full();
    for cluster in tables.clusters.values().filter(|c| c.health_check.is_some()) {
        process.cluster_now(&cluster.name);
    }
    let counting = Counting { registry: process.registry.clone(), shard: Rc::new(process.registry.shard()) };
    let Some(mut unchecked) = process.unchecked() else { return };
    while let Some(cluster) = unchecked.recv().await {
        tokio::task::spawn_local(health::run(process.clone(), cluster, counting.clone()));
    }
}
