//! What the process does every now and then.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crate::process::Process;
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

/// Looks between two times that memory of former configurations is given back.
const GIVE_BACK: u32 = 5;

/// Looks after what the process keeps.
async fn tend_process(process: Arc<Process>) {
    let mut memory = Memory { generation: process.tables.load().generation, slack: false, looks: GIVE_BACK };
    loop {
        tokio::time::sleep(LOOK).await;
        let tables = process.tables.load_full();
        process.counted.sweep(&tables, &process.registry);
        if memory.is_due(tables.generation, process.take_slack()) {
            weft_net::memory::give_back();
        }
    }
}

/// When to give back what former configurations and connections took.
struct Memory {
    /// The configuration at the last time.
    generation: u64,
    /// Many connections have ended since then.
    slack: bool,
    /// Looks since then.
    looks: u32,
}

impl Memory {
    /// Once after changes, not after each: it holds up who allocates meanwhile.
    fn is_due(&mut self, generation: u64, slack: bool) -> bool {
        self.looks = self.looks.saturating_add(1);
        self.slack |= slack;
        let due = self.looks >= GIVE_BACK && (self.slack || self.generation != generation);
        if due {
            *self = Self { generation, slack: false, looks: 0 };
        }
        due
    }
}

/// Runs for the life of the process.
pub(crate) async fn run(process: Arc<Process>) {
    tokio::task::spawn_local(tend_process(process.clone()));
    // Hosts are checked before anybody asks for them: the first request is to find the good ones.
    let tables = process.tables.load_full();
    for cluster in tables.clusters.values().filter(|c| c.health_check.is_some()) {
        process.cluster_now(&cluster.name);
    }
    let counting = process.counting();
    let Some(mut unchecked) = process.unchecked() else { return };
    while let Some(cluster) = unchecked.recv().await {
        tokio::task::spawn_local(health::run(process.clone(), cluster, counting.clone()));
    }
}
