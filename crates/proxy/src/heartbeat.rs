//! Finding out that the peer of an HTTP/2 connection is gone (`connection_keepalive`).

use std::time::Duration;

use tokio::time::{Instant, sleep};
use weft_http::ConnHandle;

/// Looks in the time for an answer.
const LOOKS: u32 = 16;

/// Pings the peer each interval (`.0`); ends when one is not answered in time (`.1`), or when the
/// connection is over. Without pings it never ends.
pub(crate) async fn lost(handle: ConnHandle, pings: Option<(Duration, Duration)>) {
    let Some((interval, limit)) = pings else { return std::future::pending().await };
    while !handle.is_closed() {
        sleep(interval).await;
        if !is_alive(&handle, limit).await {
            return;
        }
    }
}

/// Whether the peer answers a ping in time.
pub(crate) async fn is_alive(handle: &ConnHandle, limit: Duration) -> bool {
    let before = handle.heartbeat_acks();
    if !handle.heartbeat() {
        // Nothing was sent: the connection is over, or its protocol has no such thing.
        return true;
    }
    let deadline = Instant::now() + limit;
    while handle.heartbeat_acks() == before && !handle.is_closed() {
        if Instant::now() >= deadline {
            return false;
        }
        sleep((limit / LOOKS).max(Duration::from_millis(1))).await;
    }
    true
}
