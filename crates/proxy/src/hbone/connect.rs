//! Making a connection that carries streams.

use std::any::Any;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use weft_codec::Side;
use weft_http::{AnyCodec, ClientConn, ConnOptions, ReadBuffers};
use weft_net::{Address, Keepalive, UpstreamSocket};
use weft_tls::{ClientConnector, ConnectOptions};

use super::{HIGH_WATERMARK, limits, watch};
use crate::http::failure::Failure;

/// Why there is no stream.
#[derive(Clone, Debug)]
pub(super) enum NoTunnel {
    /// Nobody takes HBONE there: the endpoint itself may still be reached.
    Unreachable(Failure),
    /// Somebody does, and it came to nothing.
    Failed(Failure),
}

/// What a connection is made from.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// Where HBONE is taken.
    pub(super) to: SocketAddr,
    pub(super) bind: Option<SocketAddr>,
    pub(super) keepalive: Option<Keepalive>,
    pub(super) connector: Arc<ClientConnector>,
    /// Names of which the certificate must have one; empty: as configured.
    pub(super) names: Vec<Box<str>>,
    pub(super) max_streams: u32,
    pub(super) limit: Duration,
    pub(super) buffers: ReadBuffers,
}

/// Connects, shakes hands and begins HTTP/2, within the plan's limit of time.
pub(super) async fn connect(plan: Plan) -> Result<ClientConn, NoTunnel> {
    let limit = plan.limit;
    match timeout(limit, unlimited(plan)).await {
        Ok(outcome) => outcome,
        Err(_) => Err(NoTunnel::Failed(Failure::ConnectTimeout)),
    }
}

async fn unlimited(plan: Plan) -> Result<ClientConn, NoTunnel> {
    let Plan { to, bind, keepalive, connector, names, max_streams, limit: _, buffers } = plan;
    let socket = UpstreamSocket { bind, keepalive, ..UpstreamSocket::default() };
    let stream = socket
        .connect_unlimited(&Address::Ip(to))
        .await
        .map_err(|error| NoTunnel::Unreachable(Failure::Connect(error.reason())))?;
    let local = stream.local_address().ok().and_then(|address| address.ip());
    let names: Vec<&str> = names.iter().map(|name| &**name).collect();
    let options = ConnectOptions { names: &names, address: Some(to.ip()), ..ConnectOptions::default() };
    let failed = |reason: String| NoTunnel::Failed(Failure::Transport(reason));
    let (stream, peer) =
        connector.connect_unlimited(stream, options).await.map_err(|error| failed(error.reason()))?;
    if peer.alpn.as_deref() != Some("h2") {
        return Err(failed(format!("{to} agrees to no HTTP/2 by ALPN: it does not take HBONE")));
    }
    if !peer.validated {
        return Err(failed(format!("{to}: HBONE needs a peer whose certificate is verified")));
    }
    let options = ConnOptions { high_watermark: HIGH_WATERMARK, buffers, ..ConnOptions::default() };
    let codec = AnyCodec::http2(Side::Client, limits(max_streams), "https");
    let note: Rc<dyn Any> = Rc::new(peer);
    let conn = ClientConn::new(stream, codec, options).with_local(local).with_note(Some(note));
    let handle = conn.handle();
    tokio::task::spawn_local(async move {
        watch::lost(handle.clone()).await;
        handle.abort();
    });
    Ok(conn)
}
