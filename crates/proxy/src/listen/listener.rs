//! A listener on one worker: its accept loop.

use std::rc::Rc;
use std::sync::Arc;

use weft_net::{Acceptor, BoundListener};
use weft_tables::listener::Listener;

use super::serve::serve;
use crate::drain::Drain;
use crate::stats::ListenerCounters;
use crate::worker::Worker;

/// A listener on one worker.
#[derive(Debug)]
pub(crate) struct ListenerRuntime {
    pub(crate) worker: Rc<Worker>,
    pub(crate) config: Arc<Listener>,
    pub(crate) stats: Rc<ListenerCounters>,
    pub(crate) drain: Drain,
}

/// Accepts until the drain is complete, then empties the queue: a connection that the kernel has
/// accepted is never dropped (invariant 6).
pub(crate) async fn run(
    runtime: Rc<ListenerRuntime>,
    bound: Arc<BoundListener>,
    workers: usize,
    stop: [Drain; 2],
) {
    let index = runtime.worker.index;
    let mut acceptor = match bound.acceptor(index, workers) {
        Ok(acceptor) => acceptor,
        Err(error) => {
            tracing::error!(listener = %runtime.config.name, %error, "cannot accept");
            return;
        }
    };
    loop {
        tokio::select! {
            biased;
            accepted = acceptor.accept() => match accepted {
                Ok(accepted) => {
                    tokio::task::spawn_local(serve(runtime.clone(), accepted));
                }
                Err(error) => {
                    tracing::error!(listener = %runtime.config.name, %error, "the socket no longer accepts");
                    return;
                }
            },
            () = stop[0].started() => break,
            () = stop[1].started() => break,
        }
    }
    empty(&runtime, &mut acceptor);
}

fn empty(runtime: &Rc<ListenerRuntime>, acceptor: &mut Acceptor) {
    while let Some(accepted) = acceptor.accept_queued() {
        tokio::task::spawn_local(serve(runtime.clone(), accepted));
    }
}
