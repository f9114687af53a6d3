//! Choosing a host.

use std::sync::Arc;
use std::time::Instant;

use weft_tables::cluster::Metadata;
use weft_types::Random;

use crate::host_set::{HostHandle, HostSet};
pub use crate::view::Settings;
use crate::view::View;

/// What a request asks of the choice.
#[derive(Clone, Copy, Debug)]
pub struct PickContext<'a> {
    /// Now.
    pub now: Instant,
    /// Hash of the request for consistent balancing; `None`: the dice decide.
    pub hash: Option<u64>,
    /// Endpoint metadata wanted (keys within `envoy.lb`); `None` or empty: nothing wanted.
    pub subset: Option<&'a Metadata>,
    /// Hosts to avoid, as `previous_hosts` does: those that were tried.
    pub tried: &'a [HostHandle],
    /// Draws beyond the first to find a host that was not tried (`host_selection_retry_max_attempts`);
    /// after them the last draw is taken.
    pub selection_attempts: u32,
    /// Priorities to avoid (`previous_priorities`).
    pub tried_priorities: &'a [u32],
}

impl PickContext<'_> {
    /// A first try that asks for nothing.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self { now, hash: None, subset: None, tried: &[], selection_attempts: 0, tried_priorities: &[] }
    }
}

/// A choice.
#[derive(Clone, Debug)]
pub struct Pick {
    /// The host.
    pub host: HostHandle,
    /// The priority was in panic, so health was ignored (`lb_healthy_panic`).
    pub panic: bool,
}

/// Why there is no host. Envoy answers 503 UH to all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoHost {
    /// The cluster has no endpoint.
    #[error("the cluster has no endpoints")]
    Empty,
    /// No endpoint that may be used is healthy.
    #[error("no healthy endpoint")]
    NoHealthy,
    /// Too few are healthy, and the cluster is to fail then (`fail_traffic_on_panic`).
    #[error("too few healthy endpoints, and the cluster fails in panic")]
    Panic,
    /// No endpoint has the metadata that the route asks for.
    #[error("no endpoint in the subset that the route asks for")]
    Subset,
}

/// Chooses hosts of one cluster for one worker; keeps its own position in rotations.
#[derive(Debug)]
pub struct Balancer {
    settings: Settings,
    seed: u64,
    view: Option<View>,
}

impl Balancer {
    /// A balancer with these settings (`Settings::from(&cluster)`). The dice give it a random start,
    /// so that workers and restarts do not all begin at the same host.
    #[must_use]
    pub fn new(settings: Settings, rng: &mut impl Random) -> Self {
        Self { settings, seed: rng.next_u64(), view: None }
    }

    /// Chooses a host of `hosts`. Give the same `Arc` as long as membership is the same: a new one
    /// makes the schedules anew, a change of health is noticed by itself.
    ///
    /// # Errors
    /// There is no host to choose.
    pub fn pick(
        &mut self,
        hosts: &Arc<HostSet>,
        context: &PickContext<'_>,
        rng: &mut impl Random,
    ) -> Result<Pick, NoHost> {
        let view = match self.view.take() {
            Some(view) if view.is_current(hosts) => view,
            stale => View::new(&self.settings, hosts, stale.as_ref(), self.seed, context.now),
        };
        let view = self.view.insert(view);
        let mut pick = draw(&self.settings, view, context, rng)?;
        for _ in 0..context.selection_attempts {
            if !context.tried.iter().any(|tried| Arc::ptr_eq(&tried.state, &pick.host.state)) {
                break;
            }
            pick = draw(&self.settings, view, context, rng)?;
        }
        Ok(pick)
    }
}

fn draw(
    settings: &Settings,
    view: &mut View,
    context: &PickContext<'_>,
    rng: &mut impl Random,
) -> Result<Pick, NoHost> {
    let draw = rng.next_u64();
    let (priority, degraded) = if context.tried_priorities.is_empty() {
        view.loads.choose(draw)
    } else {
        view.loads.without(context.tried_priorities).choose(draw)
    };
    let panic = view.loads.panic.get(priority).copied().unwrap_or(false);
    let level = view.levels.get_mut(priority).ok_or(NoHost::Empty)?;
    if panic && settings.fail_on_panic {
        return Err(if level.all.hosts.is_empty() { NoHost::Empty } else { NoHost::Panic });
    }
    let pool = match (panic, degraded) {
        (true, _) => &mut level.all,
        (false, true) => level.degraded.next_pool(),
        (false, false) => level.healthy.next_pool(),
    };
    match pool.next(settings, context.now, rng) {
        Some(host) => Ok(Pick { host, panic }),
        None if view.hosts.is_empty() => Err(NoHost::Empty),
        None => Err(NoHost::NoHealthy),
    }
}

#[cfg(test)]
#[path = "balancer_tests.rs"]
mod tests;
