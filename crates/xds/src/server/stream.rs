//! A session with a connection around it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};
use tokio_stream::{Stream, StreamExt as _};
use tonic::{Code, Status};
use weft_proto::resource::ResourceSet;

use super::ask::{Ask, Violation};
use super::limits::Limits;
use super::protocol::Protocol;
use super::record::Open;
use super::session::Session;

/// What the writing half takes.
pub(super) type Sink<P> = mpsc::Sender<Result<<P as Protocol>::Response, Status>>;

/// Runs a stream to its end. The first request was taken apart already, for its node.
pub(super) async fn run<P: Protocol>(
    first: Ask,
    mut requests: impl Stream<Item = Result<P::Request, Status>> + Unpin,
    mut sets: watch::Receiver<Arc<ResourceSet>>,
    sink: Sink<P>,
    open: Open,
    limits: Limits,
) {
    let begun = Instant::now();
    let mut session = Session::<P>::new(sets.borrow_and_update().clone(), limits);
    let mut taken = session.receive(first, Duration::ZERO);
    loop {
        if let Err(violation) = taken {
            let _ = sink.send(Err(refuse(&violation))).await;
            return;
        }
        for reply in session.poll(begun.elapsed()) {
            tracing::debug!(
                stream = open.id,
                r#type = %reply.type_url,
                nonce = reply.nonce,
                resources = reply.resources.len(),
                removed = reply.removed.len(),
                "sent"
            );
            if sink.send(Ok(P::write(reply))).await.is_err() {
                return;
            }
        }
        open.update(session.status());
        let wake = session.wake_at().map(|at| begun + at);
        taken = tokio::select! {
            request = requests.next() => match request {
                Some(Ok(request)) => {
                    let (_, ask) = P::read(request);
                    note_refusal(open.id, &ask);
                    session.receive(ask, begun.elapsed())
                }
                Some(Err(status)) if status.code() == Code::OutOfRange => {
                    let _ = sink.send(Err(status)).await;
                    return;
                }
                // The client is gone.
                Some(Err(_)) | None => return,
            },
            changed = sets.changed() => match changed {
                Ok(()) => {
                    session.set(sets.borrow_and_update().clone());
                    Ok(())
                }
                Err(_) => {
                    let _ = sink.send(Err(Status::unavailable("the control plane stops"))).await;
                    return;
                }
            },
            () = sleep_until(wake.unwrap_or(begun)), if wake.is_some() => Ok(()),
        };
    }
}

fn note_refusal(stream: u64, ask: &Ask) {
    if let Some(refusal) = &ask.refusal {
        tracing::warn!(stream, r#type = %ask.type_url, nonce = ask.nonce, message = refusal.message, "refused");
    }
}

fn refuse(violation: &Violation) -> Status {
    let code = match violation {
        Violation::NoType => Code::InvalidArgument,
        Violation::LongName { .. } | Violation::Types { .. } | Violation::Names { .. } => {
            Code::ResourceExhausted
        }
    };
    Status::new(code, violation.to_string())
}
