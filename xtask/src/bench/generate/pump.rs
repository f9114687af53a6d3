//! Moves a body from one HTTP/2 stream to another, as flow control permits.

use anyhow::{Result, bail};
use bytes::Bytes;
use h2::{RecvStream, SendStream};
use std::future::poll_fn;

/// Moves all data; with `end`, the last frame ends the stream where the source ends without trailers.
/// Tells whether it did.
///
/// # Errors
/// When either stream fails.
pub(super) async fn pump(from: &mut RecvStream, to: &mut SendStream<Bytes>, end: bool) -> Result<bool> {
    while let Some(data) = from.data().await {
        let data = data?;
        from.flow_control().release_capacity(data.len())?;
        let last = end && from.is_end_stream();
        send(to, data, last).await?;
        if last {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Sends bytes as flow control permits.
///
/// # Errors
/// When the stream fails.
pub(super) async fn send(to: &mut SendStream<Bytes>, mut data: Bytes, last: bool) -> Result<()> {
    while !data.is_empty() {
        to.reserve_capacity(data.len());
        let Some(granted) = poll_fn(|cx| to.poll_capacity(cx)).await else { bail!("the stream is closed") };
        let part = data.split_to(granted?.min(data.len()));
        to.send_data(part, last && data.is_empty())?;
    }
    Ok(())
}
