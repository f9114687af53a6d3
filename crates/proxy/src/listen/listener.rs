//! A listener on one worker: its accept loop.

use std::rc::Rc;
use std::sync::Arc;

use weft_http::clock;
use weft_net::{Acceptor, BoundListener};
use weft_tables::listener::Listener;

use super::active::ActiveListener;
use super::follow::Slot;
use super::serve::serve;
use crate::drain::Drain;
use crate::stats::ListenerCounters;
use crate::worker::Worker;

/// A listener on one worker.
#[derive(Debug)]
pub(crate) struct ListenerRuntime {
    pub(crate) worker: Rc<Worker>,
    pub(crate) config: Arc<Listener>,
    pub(crate) active: Arc<ActiveListener>,
    pub(crate) stats: Rc<ListenerCounters>,
    /// Of the process.
    pub(crate) drain: Drain,
}

/// Accepts until the drain is complete, then empties the queue: a connection that the kernel has
/// accepted is never dropped (invariant 6). Each connection is served by what the slot holds when it
/// comes.
pub(crate) async fn run(slot: Slot, bound: Arc<BoundListener>, workers: usize, stop: [Drain; 2]) {
    let (index, name) = {
        let runtime = slot.borrow();
        (runtime.worker.index, runtime.config.name.clone())
    };
    let mut acceptor = match bound.acceptor(index, workers) {
        Ok(acceptor) => acceptor,
        Err(error) => {
            tracing::error!(listener = %name, %error, "cannot accept");
            return;
        }
    };
    loop {
        tokio::select! {
            biased;
            accepted = acceptor.accept() => match accepted {
                Ok(accepted) => {
                    let runtime = slot.borrow().clone();
                    tokio::task::spawn_local(clock::turns(serve(runtime, accepted)));
                }
                Err(error) => {
                    tracing::error!(listener = %name, %error, "the socket no longer accepts");
                    return;
                }
            },
            () = stop[0].started() => break,
            () = stop[1].started() => break,
        }
    }
    empty(&slot, &mut acceptor);
}

fn empty(slot: &Slot, acceptor: &mut Acceptor) {
    while let Some(accepted) = acceptor.accept_queued() {
        let runtime = slot.borrow().clone();
        tokio::task::spawn_local(clock::turns(serve(runtime, accepted)));
    }
}
