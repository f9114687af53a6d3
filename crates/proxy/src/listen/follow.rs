//! One worker's accept loops, as listeners come, change and go.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use weft_net::BoundListener;

use super::active::{ActiveListener, ListenerSet};
use super::listener::{self, ListenerRuntime};
use crate::drain::{self, Drain, DrainSwitch};
use crate::stats::ListenerCounters;
use crate::worker::Worker;

/// What ends the accept loops of a worker.
#[derive(Clone, Debug)]
pub(crate) struct Ends {
    /// Clients are told to go elsewhere.
    pub(crate) drain: Drain,
    /// No new connections are taken.
    pub(crate) stop_listening: Drain,
    /// The worker ends.
    pub(crate) stop: Drain,
}

/// The configuration that a loop serves new connections by; it changes while the loop runs.
pub(crate) type Slot = Rc<RefCell<Rc<ListenerRuntime>>>;

/// The loop of one socket.
struct Accepting {
    slot: Slot,
    stop: DrainSwitch,
    task: JoinHandle<()>,
}

/// The loops of a worker, one for each socket.
struct Loops {
    worker: Rc<Worker>,
    workers: usize,
    ends: Ends,
    running: HashMap<usize, (Arc<BoundListener>, Accepting)>,
    ending: Vec<JoinHandle<()>>,
}

/// Follows the listeners until the worker is to end and all its accept queues are empty.
pub(crate) async fn run(
    worker: Rc<Worker>,
    workers: usize,
    ends: Ends,
    mut listeners: watch::Receiver<Arc<ListenerSet>>,
) {
    let mut loops = Loops {
        worker: worker.clone(),
        workers,
        ends: ends.clone(),
        running: HashMap::new(),
        ending: Vec::new(),
    };
    let mut started = false;
    loop {
        let set = listeners.borrow_and_update().clone();
        loops.follow(&set);
        if !std::mem::replace(&mut started, true) {
            worker.process.worker_started();
        }
        tokio::select! {
            () = ends.stop.started() => break,
            changed = listeners.changed() => {
                if changed.is_err() {
                    ends.stop.started().await;
                    break;
                }
            }
        }
    }
    loops.end().await;
}

impl Loops {
    fn follow(&mut self, set: &ListenerSet) {
        self.ending.retain(|task| !task.is_finished());
        let mut wanted: HashMap<usize, (&Arc<BoundListener>, &Arc<ActiveListener>)> = HashMap::new();
        for listener in set.iter() {
            for socket in &listener.sockets {
                wanted.insert(Arc::as_ptr(socket) as usize, (socket, listener));
            }
        }
        let gone: Vec<usize> = self.running.keys().filter(|key| !wanted.contains_key(key)).copied().collect();
        for key in gone {
            if let Some((_socket, Accepting { slot: _, stop, task })) = self.running.remove(&key) {
                stop.start();
                self.ending.push(task);
            }
        }
        let mut made: HashMap<usize, Rc<ListenerRuntime>> = HashMap::new();
        for (key, (socket, listener)) in wanted {
            let known = self.running.get(&key);
            if known.is_some_and(|(_, a)| Arc::ptr_eq(&a.slot.borrow().active, listener)) {
                continue;
            }
            // The sockets of one listener share what is counted of it.
            let runtime =
                made.entry(Arc::as_ptr(listener) as usize).or_insert_with(|| self.runtime(listener)).clone();
            match known {
                Some((_, accepting)) => *accepting.slot.borrow_mut() = runtime,
                None => {
                    let accepting = self.accept(runtime, socket.clone());
                    self.running.insert(key, (socket.clone(), accepting));
                }
            }
        }
    }

    fn runtime(&self, listener: &Arc<ActiveListener>) -> Rc<ListenerRuntime> {
        let counting = self.worker.counting.clone();
        Rc::new(ListenerRuntime {
            worker: self.worker.clone(),
            stats: Rc::new(ListenerCounters::new(&listener.config, counting)),
            config: listener.config.clone(),
            active: listener.clone(),
            drain: self.ends.drain.clone(),
        })
    }

    fn accept(&self, runtime: Rc<ListenerRuntime>, socket: Arc<BoundListener>) -> Accepting {
        let slot: Slot = Rc::new(RefCell::new(runtime));
        let (stop, stopped) = drain::channel(Duration::ZERO);
        let stops = [self.ends.stop_listening.or(&stopped), self.ends.stop.clone()];
        let task = tokio::task::spawn_local(listener::run(slot.clone(), socket, self.workers, stops));
        Accepting { slot, stop, task }
    }

    async fn end(self) {
        for (_socket, accepting) in self.running.into_values() {
            let _ = accepting.task.await;
        }
        for task in self.ending {
            let _ = task.await;
        }
    }
}
