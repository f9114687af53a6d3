//! Choosing a host.

use std::sync::Arc;
use std::time::Instant;

use weft_tables::cluster::{Metadata, SubsetConfig};
use weft_types::Random;

use crate::host_set::{HostHandle, HostSet};
use crate::subset::{self, Choice};
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

    fn has_tried(&self, host: &HostHandle) -> bool {
        self.tried.iter().any(|tried| Arc::ptr_eq(&tried.state, &host.state))
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
    subsets: Subsets,
}

/// What was made of wishes for subsets of one host set. Wishes come from routes, so there are few.
#[derive(Debug, Default)]
struct Subsets {
    of: Option<Arc<HostSet>>,
    known: Vec<Subset>,
}

#[derive(Debug)]
struct Subset {
    wanted: Metadata,
    choice: Choice,
    view: Option<View>,
}

/// Wishes remembered; beyond it the oldest is forgotten.
const MAX_SUBSETS: usize = 1024;

impl Balancer {
    /// A balancer with these settings (`Settings::from(&cluster)`). The dice give it a random start,
    /// so that workers and restarts do not all begin at the same host.
    #[must_use]
    pub fn new(settings: Settings, rng: &mut impl Random) -> Self {
        Self { settings, seed: rng.next_u64(), view: None, subsets: Subsets::default() }
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
        let (hosts, view) = match &self.settings.subsets {
            None => (hosts, &mut self.view),
            Some(config) => {
                let subset = self.subsets.get(config, hosts, context.subset);
                match &subset.choice {
                    Choice::All => (hosts, &mut self.view),
                    Choice::Some(hosts) => (hosts, &mut subset.view),
                    Choice::None => return Err(NoHost::Subset),
                }
            }
        };
        if !view.as_ref().is_some_and(|view| view.is_current(hosts)) {
            let made = View::new(&self.settings, hosts, view.as_ref(), self.seed, context.now);
            *view = Some(made);
        }
        let view = view.as_mut().ok_or(NoHost::Empty)?;
        if view.tables.is_some() {
            hashed(view, context, rng)
        } else {
            scheduled(&self.settings, view, context, rng)
        }
    }
}

impl Subsets {
    fn get(&mut self, config: &SubsetConfig, hosts: &Arc<HostSet>, wanted: Option<&Metadata>) -> &mut Subset {
        if !self.of.as_ref().is_some_and(|of| Arc::ptr_eq(of, hosts)) {
            self.known.clear();
            self.of = Some(Arc::clone(hosts));
        }
        let nothing = Metadata::new();
        let wanted = wanted.unwrap_or(&nothing);
        let index = self.known.iter().position(|subset| subset.wanted == *wanted).unwrap_or_else(|| {
            if self.known.len() == MAX_SUBSETS {
                self.known.remove(0);
            }
            let choice = subset::choose(config, hosts, Some(wanted));
            self.known.push(Subset { wanted: wanted.clone(), choice, view: None });
            self.known.len() - 1
        });
        &mut self.known[index]
    }
}

/// Policies with schedules and dice: draws until a host is found that was not tried.
fn scheduled(
    settings: &Settings,
    view: &mut View,
    context: &PickContext<'_>,
    rng: &mut impl Random,
) -> Result<Pick, NoHost> {
    let mut pick = draw(settings, view, context, rng)?;
    for _ in 0..context.selection_attempts {
        if !context.has_tried(&pick.host) {
            break;
        }
        pick = draw(settings, view, context, rng)?;
    }
    Ok(pick)
}

/// Consistent hashing: the hash chooses the priority too, so that a key stays where it is. Degraded
/// hosts are in no table, and panic never fails, as in Envoy.
fn hashed(view: &View, context: &PickContext<'_>, rng: &mut impl Random) -> Result<Pick, NoHost> {
    let hash = context.hash.unwrap_or_else(|| rng.next_u64());
    let (priority, _) = view.loads.choose(hash);
    let table = view.tables.as_ref().and_then(|tables| tables.get(priority)).ok_or(NoHost::Empty)?;
    let panic = view.loads.panic.get(priority).copied().unwrap_or(false);
    let none = || if view.hosts.is_empty() { NoHost::Empty } else { NoHost::NoHealthy };
    let mut host = table.host(hash, 0).ok_or_else(none)?;
    for attempt in 1..=context.selection_attempts {
        if !context.has_tried(host) {
            break;
        }
        host = table.host(hash, attempt).ok_or_else(none)?;
    }
    Ok(Pick { host: Arc::clone(host), panic })
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
