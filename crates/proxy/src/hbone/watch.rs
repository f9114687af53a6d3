//! Finding out that the peer of a connection with streams is gone.

use std::time::Duration;

use tokio::time::sleep;
use weft_http::ConnHandle;

use crate::heartbeat;

/// A connection with streams on which nothing has come for so long is asked whether it lives.
const QUIET: Duration = Duration::from_secs(10);
/// Time for its answer.
const ANSWER: Duration = Duration::from_secs(10);

/// Ends when the peer does not answer, or when the connection is over. A connection without streams is
/// left alone: it may grow idle and go.
pub(super) async fn lost(handle: ConnHandle) {
    let mut seen = None;
    loop {
        sleep(QUIET).await;
        if handle.is_closed() {
            return;
        }
        let received = handle.counters().received;
        let quiet = seen.replace(received) == Some(received);
        if quiet && handle.open_streams() > 0 && !heartbeat::is_alive(&handle, ANSWER).await {
            return;
        }
    }
}
