//! gRPC streams of 1,000 messages, each sent back: the crate `h2` on one thread.

use super::pump::send;
use super::summary;
use crate::bench::load::Said;
use crate::bench::program::address;
use anyhow::{Result, bail};
use bytes::Bytes;
use h2::client;
use http::Request;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;

/// Connections, each with one stream at a time.
const CONNECTIONS: usize = 4;
const MESSAGES: usize = 1_000;
/// Of a message's content.
const LENGTH: u16 = 1024;

/// Streams until the time is over, and those begun to their end.
pub(super) fn run(port: u16, seconds: u64) -> Result<Said> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async {
        let begun = Instant::now();
        let until = begun + Duration::from_secs(seconds);
        let tasks: Vec<_> =
            (0..CONNECTIONS).map(|_| tokio::task::spawn_local(connection(port, until))).collect();
        let mut micros = Vec::new();
        for task in tasks {
            micros.extend(task.await??);
        }
        // What is timed is a stream; what is counted, its messages.
        let mut said = summary(micros, begun.elapsed().as_secs_f64());
        said.operations *= f64::from(u32::try_from(MESSAGES)?);
        said.per_second *= f64::from(u32::try_from(MESSAGES)?);
        Ok(said)
    })
}

/// So many calls of one message, one after another on one connection.
pub(super) fn calls(port: u16, count: u64) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async {
        let mut sender = connect(port).await?;
        for _ in 0..count {
            sender = sender.ready().await?;
            call(&mut sender, &message(), 1).await?;
        }
        Ok(())
    })
}

async fn connection(port: u16, until: Instant) -> Result<Vec<f64>> {
    let (mut sender, message) = (connect(port).await?, message());
    let mut micros = Vec::new();
    while Instant::now() < until {
        let begun = Instant::now();
        sender = sender.ready().await?;
        call(&mut sender, &message, MESSAGES).await?;
        micros.push(begun.elapsed().as_secs_f64() * 1e6);
    }
    Ok(micros)
}

async fn connect(port: u16) -> Result<client::SendRequest<Bytes>> {
    let stream = TcpStream::connect(address(port)).await?;
    stream.set_nodelay(true)?;
    let (sender, driver) = client::Builder::new()
        .initial_window_size(1 << 20)
        .initial_connection_window_size(1 << 20)
        .handshake::<_, Bytes>(stream)
        .await?;
    tokio::task::spawn_local(async move {
        let _ = driver.await;
    });
    Ok(sender)
}

/// A flag, four bytes of length, and that many bytes.
fn message() -> Bytes {
    let mut message = vec![0, 0, 0];
    message.extend(LENGTH.to_be_bytes());
    message.resize(5 + usize::from(LENGTH), b'x');
    message.into()
}

/// A stream of so many messages, all of which must come back.
async fn call(sender: &mut client::SendRequest<Bytes>, message: &Bytes, count: usize) -> Result<()> {
    let request = Request::post("http://bench/bench.Echo/Stream")
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(())?;
    let (response, mut out) = sender.send_request(request, false)?;
    let content = message.clone();
    let sending = tokio::task::spawn_local(async move {
        for n in 1..=count {
            send(&mut out, content.clone(), n == count).await?;
        }
        anyhow::Ok(())
    });
    let response = response.await?;
    if response.status() != 200 {
        bail!("answered {}", response.status());
    }
    let mut body = response.into_body();
    let mut received = 0;
    while let Some(data) = body.data().await {
        let data = data?;
        received += data.len();
        body.flow_control().release_capacity(data.len())?;
    }
    let trailers = body.trailers().await?;
    sending.await??;
    if received != message.len() * count || trailers.is_none() {
        bail!("{received} bytes came back, and trailers: {}", trailers.is_some());
    }
    Ok(())
}
