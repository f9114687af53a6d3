//! A client's connection to an endpoint whose proxy takes HBONE.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use weft_balance::HostHandle;
use weft_http::{ClientConn, ConnError};
use weft_net::Keepalive;
use weft_state::Permit;
use weft_tables::address::SocketAddress;
use weft_tables::cluster::{Hbone, TransportLayer};
use weft_tls::PeerFacts;

use super::connect::{NoTunnel, Plan};
use super::{Tunnel, head};
use crate::http::failure::Failure;
use crate::listen::accepted::ConnFacts;
use crate::upstream::chosen::Chosen;
use crate::upstream::cluster::ClusterRuntime;
use crate::upstream::connect::{self, Layered, Opened};
use crate::worker::Worker;

/// Connections that are tried for one stream: one may close, or refuse it, just then.
const TRIES: usize = 3;

/// Opens a connection for opaque bytes: a stream where the endpoint's proxy takes HBONE, else one of its own.
pub(crate) async fn connect(
    worker: &Rc<Worker>,
    cluster: &Rc<ClusterRuntime>,
    host: &HostHandle,
    facts: &ConnFacts,
    permit: Permit,
) -> Result<Opened, Failure> {
    let layers = &host.state.key().transport.layers;
    let (Some(TransportLayer::Hbone(hbone)), SocketAddress::Ip(address)) =
        (layers.first(), &host.endpoint.address)
    else {
        return connect::tcp(cluster, host, facts, permit).await;
    };
    let to = SocketAddr::new(address.ip(), hbone.port);
    if worker.tunnels.is_refused(to) {
        return connect::tcp(cluster, host, facts, permit).await;
    }
    connect::counted(cluster, host, permit, async {
        // In a box: each opaque connection, also one without HBONE, would have room for it.
        match Box::pin(open(worker, cluster, hbone, *address, to, facts)).await {
            Ok(layered) => Ok(layered),
            Err(NoTunnel::Failed(failure)) => Err(failure),
            Err(NoTunnel::Unreachable(failure)) => {
                tracing::debug!(%to, ?failure, "nobody takes HBONE there");
                // Its proxy is another one by now, or was never what it was taken for; the endpoint itself
                // takes mutual TLS all the same.
                worker.tunnels.note_refused(to);
                connect::direct(cluster, host, facts).await
            }
        }
    })
    .await
}

async fn open(
    worker: &Rc<Worker>,
    cluster: &Rc<ClusterRuntime>,
    hbone: &Arc<Hbone>,
    destination: SocketAddr,
    to: SocketAddr,
    facts: &ConnFacts,
) -> Result<Layered, NoTunnel> {
    let (connector, context) = worker
        .tunnels
        .connector(&worker.process, hbone)
        .map_err(|error| NoTunnel::Failed(Failure::Connect(error.to_string())))?;
    let config = cluster.config();
    let plan = Plan {
        to,
        bind: config.bind,
        keepalive: config.keepalive.map(|k| Keepalive {
            probes: k.probes,
            time: k.time,
            interval: k.interval,
        }),
        connector,
        names: Chosen::by_filters(&facts.state).sans,
        max_streams: hbone.max_streams,
        limit: config.connect_timeout,
        buffers: worker.buffers.clone(),
    };
    let request = head::request(destination, facts.source, &worker.tunnels.baggage, &mut worker.dice());
    for _ in 0..TRIES {
        let conn = worker.tunnels.get(&plan, &context).await?;
        let suspect = Suspect(Some(conn.clone()));
        let (send, mut receive) = match conn.send_request(&request, false).await {
            Ok(stream) => stream,
            Err(ConnError::Codec(error)) => {
                return Err(NoTunnel::Failed(Failure::Transport(error.to_string())));
            }
            // It took its last stream, or closed, just now.
            Err(_) => continue,
        };
        let answer = match receive.head().await {
            Ok(answer) => answer,
            Err(error) if !error.possibly_processed => continue,
            Err(error) => return Err(NoTunnel::Failed(Failure::of_stream(&error))),
        };
        suspect.lives();
        if !(200..300).contains(&answer.status) {
            let reason = format!("{to} answers CONNECT {destination} with {}", answer.status);
            return Err(NoTunnel::Failed(Failure::Connect(reason)));
        }
        let peer = conn.note::<PeerFacts>();
        return Ok((Box::new(Tunnel::client(send, receive.into_body(), conn.local())), peer));
    }
    Err(NoTunnel::Failed(Failure::Connect(format!("{to} takes no streams"))))
}

/// A connection on which an answer is awaited. If that does not come, the next stream gets another one.
struct Suspect(Option<ClientConn>);

impl Suspect {
    /// Something came.
    fn lives(mut self) {
        self.0 = None;
    }
}

impl Drop for Suspect {
    fn drop(&mut self) {
        if let Some(conn) = &self.0 {
            conn.start_drain();
        }
    }
}
