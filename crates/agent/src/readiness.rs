//! Whether Envoy is ready, by its counters. Source: SD-18.

/// Path on Envoy's admin page that gives the counters which [`Counters::read`] wants.
pub const PATH: &str = "/stats?usedonly&filter=%5E(server.state|listener_manager.workers_started|\
listener_manager.lds.update_(success|rejected)|cluster_manager.cds.update_(success|rejected))$";

/// What Envoy says of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// 0 is live, 1 draining, 2 and 3 starting; `None` when it is not told.
    pub state: Option<u64>,
    /// Workers have begun.
    pub workers_started: bool,
    /// Answers about clusters that were taken, and refused.
    pub clusters: (u64, u64),
    /// The same for listeners.
    pub listeners: (u64, u64),
}

impl Counters {
    /// Reads Envoy's text, one `name: value` a line; other lines are passed over.
    #[must_use]
    pub fn read(text: &str) -> Self {
        let mut counters = Self::default();
        for (name, value) in text.lines().filter_map(|line| line.split_once(": ")) {
            let Ok(value) = value.trim().parse() else { continue };
            match name {
                "server.state" => counters.state = Some(value),
                "listener_manager.workers_started" => counters.workers_started = value == 1,
                "cluster_manager.cds.update_success" => counters.clusters.0 = value,
                "cluster_manager.cds.update_rejected" => counters.clusters.1 = value,
                "listener_manager.lds.update_success" => counters.listeners.0 = value,
                "listener_manager.lds.update_rejected" => counters.listeners.1 = value,
                _ => {}
            }
        }
        counters
    }

    /// Whether it has clusters and listeners. Once so, it stays so: see [`Self::serving`].
    ///
    /// # Errors
    /// What it still waits for.
    pub fn configured(&self) -> Result<(), String> {
        if self.clusters.0 > 0 && self.listeners.0 > 0 {
            return Ok(());
        }
        Err(format!(
            "no configuration from the control plane yet: clusters {} taken, {} refused; listeners {} taken, {} refused",
            self.clusters.0, self.clusters.1, self.listeners.0, self.listeners.1
        ))
    }

    /// Whether it serves now.
    ///
    /// # Errors
    /// What it does instead.
    pub fn serving(&self) -> Result<(), String> {
        match self.state {
            Some(0) if self.workers_started => Ok(()),
            Some(0) => Err("Envoy's workers have not started".to_owned()),
            Some(1) => Err("Envoy is draining".to_owned()),
            Some(_) => Err("Envoy is starting".to_owned()),
            None => Err("Envoy tells no state".to_owned()),
        }
    }
}

/// Connections of clients that are open, by the text of Envoy's counters: those on the agent's own two
/// listeners and on the admin page do not count.
#[must_use]
pub fn open_connections(text: &str) -> u64 {
    text.lines()
        .filter_map(|line| line.split_once(": "))
        .filter(|(name, _)| name.starts_with("listener.") && name.ends_with(".downstream_cx_active"))
        .filter(|(name, _)| {
            !["listener.admin.", ".worker_", "_15021.", "_15090."].iter().any(|part| name.contains(part))
        })
        .filter_map(|(_, value)| value.trim().parse::<u64>().ok())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_is_configured_and_serving() {
        let text = "cluster_manager.cds.update_success: 1\ncluster_manager.cds.update_rejected: 2\n\
                    listener_manager.lds.update_success: 0\nlistener_manager.workers_started: 0\n\
                    server.state: 2\nnoise\nother: x";
        let counters = Counters::read(text);
        let waiting = counters.configured().unwrap_err();
        assert!(waiting.contains("clusters 1 taken, 2 refused; listeners 0 taken"), "{waiting}");
        assert_eq!(counters.serving(), Err("Envoy is starting".to_owned()));
        let ready = Counters { state: Some(0), workers_started: true, listeners: (1, 0), ..counters };
        assert_eq!((ready.configured(), ready.serving()), (Ok(()), Ok(())));
        assert!(Counters { state: Some(1), ..ready }.serving().is_err());
        assert!(Counters { state: None, ..ready }.serving().is_err());
    }

    #[test]
    fn own_connections_do_not_count() {
        let text = "listener.0.0.0.0_15006.downstream_cx_active: 2\n\
                    listener.10.0.0.1_9080.downstream_cx_active: 3\n\
                    listener.0.0.0.0_15006.worker_0.downstream_cx_active: 2\n\
                    listener.0.0.0.0_15021.downstream_cx_active: 1\n\
                    listener.admin.downstream_cx_active: 1\n\
                    http.x.downstream_cx_active: 9\n";
        assert_eq!(open_connections(text), 5);
    }
}
