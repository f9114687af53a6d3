//! Signals that end us.

use std::pin::Pin;

use anyhow::{Context, Result};
use nix::sys::signal::Signal;
use tokio::signal::unix::{SignalKind, signal};

/// A signal that came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Caught(Signal);

impl Caught {
    /// Which.
    #[must_use]
    pub(crate) fn signal(self) -> Signal {
        self.0
    }

    /// Its number.
    #[must_use]
    pub(crate) fn number(self) -> u8 {
        u8::try_from(self.0 as i32).unwrap_or(0)
    }

    /// Whether a terminal sends it to all processes in its foreground.
    #[must_use]
    pub(crate) fn is_from_keys(self) -> bool {
        matches!(self.0, Signal::SIGINT | Signal::SIGQUIT)
    }
}

/// SIGINT, SIGTERM, SIGQUIT and SIGHUP, from when this is made.
#[derive(Debug)]
pub(crate) struct Signals {
    kinds: Vec<(Signal, tokio::signal::unix::Signal)>,
}

impl Signals {
    /// Begins to catch them.
    ///
    /// # Errors
    /// If the system does not let us.
    pub(crate) fn new() -> Result<Self> {
        let kinds = [
            (Signal::SIGINT, SignalKind::interrupt()),
            (Signal::SIGTERM, SignalKind::terminate()),
            (Signal::SIGQUIT, SignalKind::quit()),
            (Signal::SIGHUP, SignalKind::hangup()),
        ];
        let caught = kinds.into_iter().map(|(name, kind)| Ok((name, signal(kind)?)));
        Ok(Self { kinds: caught.collect::<std::io::Result<_>>().context("cannot catch signals")? })
    }

    /// The next one.
    pub(crate) async fn next(&mut self) -> Caught {
        std::future::poll_fn(|context| {
            for (name, stream) in &mut self.kinds {
                if Pin::new(stream).poll_recv(context).is_ready() {
                    return std::task::Poll::Ready(Caught(*name));
                }
            }
            std::task::Poll::Pending
        })
        .await
    }
}
