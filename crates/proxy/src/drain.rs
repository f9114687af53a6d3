//! Telling connections that the end is near.

use std::time::Duration;

use tokio::sync::watch;

/// Whether the listener (or the process) drains. Clones see the same.
#[derive(Clone, Debug)]
pub(crate) struct Drain {
    on: watch::Receiver<bool>,
    time: Duration,
}

/// Starts a drain.
#[derive(Debug)]
pub(crate) struct DrainSwitch(watch::Sender<bool>);

impl DrainSwitch {
    pub(crate) fn start(&self) {
        self.0.send_replace(true);
    }
}

/// A switch and what it switches; `time` is how long a drain may take.
pub(crate) fn channel(time: Duration) -> (DrainSwitch, Drain) {
    let (switch, on) = watch::channel(false);
    (DrainSwitch(switch), Drain { on, time })
}

impl Drain {
    pub(crate) fn is_on(&self) -> bool {
        *self.on.borrow()
    }

    pub(crate) fn time(&self) -> Duration {
        self.time
    }

    /// Waits for the drain to start; forever if nobody can start it any more.
    pub(crate) async fn started(&self) {
        let mut on = self.on.clone();
        if on.wait_for(|on| *on).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
