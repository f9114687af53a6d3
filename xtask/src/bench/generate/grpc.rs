//! A gRPC backend that sends each message back: the crate `h2` on one thread.

use super::pump::pump;
use crate::bench::program::address;
use anyhow::Result;
use bytes::Bytes;
use h2::{RecvStream, server};
use http::{HeaderMap, HeaderValue, Response};
use tokio::net::{TcpListener, TcpStream};

/// Serves until killed.
pub(super) fn run(port: u16) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async {
        let listener = TcpListener::bind(address(port)).await?;
        loop {
            let (stream, _) = listener.accept().await?;
            tokio::task::spawn_local(async move {
                let _ = connection(stream).await;
            });
        }
    })
}

async fn connection(stream: TcpStream) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut connection = server::Builder::new()
        .initial_window_size(1 << 20)
        .initial_connection_window_size(1 << 20)
        .max_concurrent_streams(1024)
        .handshake::<_, Bytes>(stream)
        .await?;
    while let Some(accepted) = connection.accept().await {
        let (request, reply) = accepted?;
        tokio::task::spawn_local(async move {
            let _ = echo(request.into_body(), reply).await;
        });
    }
    Ok(())
}

async fn echo(mut body: RecvStream, mut reply: server::SendResponse<Bytes>) -> Result<()> {
    let head = Response::builder().header("content-type", "application/grpc").body(())?;
    let mut out = reply.send_response(head, false)?;
    pump(&mut body, &mut out, false).await?;
    let status = ("grpc-status".parse()?, HeaderValue::from_static("0"));
    out.send_trailers(HeaderMap::from_iter([status]))?;
    Ok(())
}
