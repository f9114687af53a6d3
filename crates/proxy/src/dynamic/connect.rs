//! A gRPC channel to an xDS server that is one of the static clusters.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use anyhow::{Context as _, bail};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tonic::metadata::{Ascii, MetadataKey, MetadataValue};
use tonic::transport::{Endpoint, Uri};
use tower_service::Service;
use weft_tables::address::SocketAddress;
use weft_tables::cluster::TransportLayer;
use weft_tables::tables::DiscoveryServer;
use weft_tls::ConnectOptions;
use weft_xds::client::drive::Link;

use crate::process::Process;
use crate::upstream::shared::ClusterShared;

/// Pause of a silent connection after which it is probed.
const KEEPALIVE: Duration = Duration::from_secs(30);
/// Flow-control window, bytes.
const WINDOW: u32 = 1024 * 1024;

/// Connects to the first host of the cluster that takes a connection.
pub(super) async fn through_cluster(
    process: &Arc<Process>,
    server: &DiscoveryServer,
) -> anyhow::Result<Link> {
    let name = &server.cluster;
    let cluster = process.cluster(name).await.with_context(|| format!("there is no cluster {name:?}"))?;
    let hosts: Vec<_> = cluster.members().hosts().map(|host| host.endpoint.clone()).collect();
    let mut problem = anyhow::anyhow!("the cluster {name:?} has no endpoint");
    for host in hosts {
        let limit = cluster.config.connect_timeout;
        let connecting = connect(process, &cluster, &host.address, &host.hostname, limit);
        match tokio::time::timeout(limit, connecting).await {
            Ok(Ok(stream)) => return link(server, stream).await,
            Ok(Err(error)) => problem = error,
            Err(_) => problem = anyhow::anyhow!("no connection to {} within {limit:?}", host.address),
        }
    }
    Err(problem)
}

/// A byte stream to the server.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

async fn connect(
    process: &Process,
    cluster: &ClusterShared,
    address: &SocketAddress,
    hostname: &str,
    limit: Duration,
) -> anyhow::Result<Box<dyn Stream>> {
    let mut stream: Box<dyn Stream> = match address {
        SocketAddress::Ip(ip) => {
            let stream = TcpStream::connect(ip).await.with_context(|| format!("cannot connect to {ip}"))?;
            stream.set_nodelay(true)?;
            Box::new(stream)
        }
        SocketAddress::Unix(path) => {
            let stream = UnixStream::connect(path).await;
            Box::new(stream.with_context(|| format!("cannot connect to {}", path.display()))?)
        }
        other => bail!("{other} is no address to connect to"),
    };
    for layer in &cluster.config.transport.layers {
        let TransportLayer::Tls(tls) = layer else {
            bail!("cluster {:?}: an xDS server is reached plainly or by TLS", cluster.config.name);
        };
        let connector = process.client_tls(tls).connector()?;
        let options = ConnectOptions {
            host: hostname,
            alpn_fallback: &["h2"],
            address: address.ip().map(|a| a.ip()),
            ..ConnectOptions::default()
        };
        let (secured, _peer) = connector.connect(stream, options, limit).await?;
        stream = Box::new(secured);
    }
    Ok(stream)
}

async fn link(server: &DiscoveryServer, stream: Box<dyn Stream>) -> anyhow::Result<Link> {
    let uri = Uri::builder().scheme("http").authority("xds").path_and_query("/").build()?;
    let channel = Endpoint::from(uri)
        .http2_keep_alive_interval(KEEPALIVE)
        .keep_alive_while_idle(true)
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW)
        .connect_with_connector(Once(Some(stream)))
        .await
        .map_err(|error| anyhow::anyhow!("HTTP/2 failed: {}", weft_agent::channel::causes(&error)))?;
    let mut link = Link::new(channel);
    for (key, value) in &server.metadata {
        let key: MetadataKey<Ascii> = key.parse().with_context(|| format!("initial_metadata {key:?}"))?;
        let value: MetadataValue<Ascii> = value.parse().context("initial_metadata: not text of a header")?;
        link.metadata.append(key, value);
    }
    Ok(link)
}

/// Gives a connection that is there already, and no other: one that is lost is made anew by whoever
/// asked for it.
struct Once(Option<Box<dyn Stream>>);

impl Service<Uri> for Once {
    type Response = TokioIo<Box<dyn Stream>>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let stream = self.0.take().ok_or_else(|| io::Error::from(io::ErrorKind::NotConnected));
        Box::pin(std::future::ready(stream.map(TokioIo::new)))
    }
}
