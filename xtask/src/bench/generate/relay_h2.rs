//! The floor of HTTP/2: a proxy of nothing but the crate `h2` on one thread. Requests go on to one
//! connection upstream a client connection; heads are taken as they are but for what HTTP/2 demands.

use super::pump::pump;
use anyhow::Result;
use bytes::Bytes;
use h2::{RecvStream, SendStream, client, server};
use tokio::net::{TcpListener, TcpStream};

/// Relays until killed.
pub(crate) fn run(listen: &str, upstream: &str) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async {
        let listener = TcpListener::bind(listen).await?;
        loop {
            let (stream, _) = listener.accept().await?;
            let upstream = upstream.to_owned();
            tokio::task::spawn_local(async move {
                let _ = connection(stream, &upstream).await;
            });
        }
    })
}

async fn connection(stream: TcpStream, upstream: &str) -> Result<()> {
    let up = TcpStream::connect(upstream).await?;
    stream.set_nodelay(true)?;
    up.set_nodelay(true)?;
    let window = 1 << 20;
    let (sender, driver) = client::Builder::new()
        .initial_window_size(window)
        .initial_connection_window_size(window)
        .handshake::<_, Bytes>(up)
        .await?;
    tokio::task::spawn_local(async move {
        let _ = driver.await;
    });
    let mut down = server::Builder::new()
        .initial_window_size(window)
        .initial_connection_window_size(window)
        .max_concurrent_streams(1024)
        .handshake::<_, Bytes>(stream)
        .await?;
    while let Some(accepted) = down.accept().await {
        let (request, reply) = accepted?;
        let sender = sender.clone();
        tokio::task::spawn_local(async move {
            let _ = exchange(sender, request, reply).await;
        });
    }
    Ok(())
}

async fn exchange(
    sender: client::SendRequest<Bytes>,
    request: http::Request<RecvStream>,
    mut reply: server::SendResponse<Bytes>,
) -> Result<()> {
    let mut sender = sender.ready().await?;
    let (head, body) = request.into_parts();
    let ended = body.is_end_stream();
    let (response, out) = sender.send_request(http::Request::from_parts(head, ()), ended)?;
    if !ended {
        tokio::task::spawn_local(async move {
            let _ = copy(body, out).await;
        });
    }
    let (head, body) = response.await?.into_parts();
    let ended = body.is_end_stream();
    let out = reply.send_response(http::Response::from_parts(head, ()), ended)?;
    if ended { Ok(()) } else { copy(body, out).await }
}

async fn copy(mut from: RecvStream, mut to: SendStream<Bytes>) -> Result<()> {
    if pump(&mut from, &mut to, true).await? {
        return Ok(());
    }
    match from.trailers().await? {
        Some(trailers) => to.send_trailers(trailers)?,
        None => to.send_data(Bytes::new(), true)?,
    }
    Ok(())
}
