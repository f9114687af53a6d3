//! Slow start: new hosts get their share little by little (`SlowStartConfig`, DR-09).

use std::time::{Duration, Instant};

use weft_tables::cluster::SlowStart;

use crate::host_set::{Host, HostHealth};

/// Whether a host is within its window.
#[must_use]
pub fn is_warming(config: &SlowStart, host: &Host, now: Instant) -> bool {
    host.health() == HostHealth::Healthy
        && now.saturating_duration_since(host.state.healthy_since()) < config.window
}

/// Share of its weight that a host gets now: 1 after its window, before that
/// `max(min_weight_percent, (age / window) ^ (1 / aggression))`.
#[must_use]
pub fn factor(config: &SlowStart, host: &Host, now: Instant) -> f64 {
    if !is_warming(config, host, now) {
        return 1.0;
    }
    let age = now.saturating_duration_since(host.state.healthy_since()).max(Duration::from_millis(1));
    let time = age.as_secs_f64() / config.window.as_secs_f64();
    let aggression = if config.aggression > 0.0 { config.aggression } else { 1.0 };
    time.powf(1.0 / aggression).max(config.min_weight_percent / 100.0).min(1.0)
}
