//! TCP keepalive.

use std::time::Duration;

/// Probing of idle connections (`envoy.config.core.v3.TcpKeepalive`). What is `None` is the system's
/// default (Linux: 9 probes, 7,200 s, 75 s).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Keepalive {
    /// Probes without answer before the connection is given up.
    pub probes: Option<u32>,
    /// Idle time before the first probe; whole seconds.
    pub time: Option<Duration>,
    /// Time between probes; whole seconds.
    pub interval: Option<Duration>,
}

impl Keepalive {
    pub(crate) fn apply(&self, socket: &socket2::Socket) -> std::io::Result<()> {
        let mut parameters = socket2::TcpKeepalive::new();
        if let Some(probes) = self.probes {
            parameters = parameters.with_retries(probes);
        }
        if let Some(time) = self.time {
            parameters = parameters.with_time(time);
        }
        if let Some(interval) = self.interval {
            parameters = parameters.with_interval(interval);
        }
        socket.set_tcp_keepalive(&parameters)
    }
}
