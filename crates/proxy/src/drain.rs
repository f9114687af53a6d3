//! Telling connections that the end is near.

use std::time::Duration;

use tokio::sync::watch;

/// Whether a listener, a filter chain or the process drains. Clones see the same.
#[derive(Clone, Debug)]
pub(crate) struct Drain {
    on: watch::Receiver<bool>,
    or: Option<watch::Receiver<bool>>,
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
    (DrainSwitch(switch), Drain { on, or: None, time })
}

impl Drain {
    /// A drain that starts with the first of the two, and takes as long as this one.
    pub(crate) fn or(&self, other: &Self) -> Self {
        Self { or: Some(other.on.clone()), ..self.clone() }
    }

    pub(crate) fn is_on(&self) -> bool {
        *self.on.borrow() || self.or.as_ref().is_some_and(|or| *or.borrow())
    }

    pub(crate) fn time(&self) -> Duration {
        self.time
    }

    /// Waits for the drain to start; forever if nobody can start it any more.
    pub(crate) async fn started(&self) {
        match &self.or {
            None => begun(&self.on).await,
            Some(or) => tokio::select! {
                () = begun(&self.on) => {}
                () = begun(or) => {}
            },
        }
    }

    /// Waits until the drain has started and its time is over.
    pub(crate) async fn over(&self) {
        self.started().await;
        tokio::time::sleep(self.time).await;
    }
}

async fn begun(on: &watch::Receiver<bool>) {
    let mut on = on.clone();
    if on.wait_for(|on| *on).await.is_err() {
        std::future::pending::<()>().await;
    }
}
