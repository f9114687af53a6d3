//! Circuit breakers.

use super::reader::{Read, Reader, u32_or};
use super::share;
use super::unset::refuse_set;
use crate::cluster::Breakers;
use crate::pb::envoy::config::cluster::v3::{CircuitBreakers, circuit_breakers as proto};
use crate::pb::envoy::config::core::v3::RoutingPriority;

/// Default of `budget_percent`.
const BUDGET_PERCENT: f64 = 20.0;
/// Default of `min_retry_concurrency`.
const MIN_RETRY_CONCURRENCY: u32 = 3;

/// Reads the breakers of both priorities: default, then high.
pub(crate) fn read(r: &mut Reader<'_>, proto: Option<&CircuitBreakers>) -> Read<(Breakers, Breakers)> {
    let both =
        r.maybe("circuit_breakers", proto, |r, CircuitBreakers { thresholds, per_host_thresholds }| {
            refuse_set!(r, "not implemented", per_host_thresholds);
            let mut both = (None, None);
            for (priority, breakers) in r.each("thresholds", thresholds, one)? {
                let slot = match priority {
                    RoutingPriority::Default => &mut both.0,
                    RoutingPriority::High => &mut both.1,
                };
                // Envoy: of several for one priority, the first counts.
                slot.get_or_insert(breakers);
            }
            Ok(both)
        })?;
    let (default, high) = both.unwrap_or_default();
    Ok((default.unwrap_or_default(), high.unwrap_or_default()))
}

fn one(r: &mut Reader<'_>, proto: &proto::Thresholds) -> Read<(RoutingPriority, Breakers)> {
    let proto::Thresholds {
        priority,
        max_connections,
        max_pending_requests,
        max_requests,
        max_retries,
        retry_budget,
        track_remaining,
        max_connection_pools,
    } = proto;
    refuse_set!(r, "not implemented", max_connection_pools);
    let defaults = Breakers::default();
    let breakers = Breakers {
        max_connections: u32_or(max_connections.as_ref(), defaults.max_connections),
        max_pending_requests: u32_or(max_pending_requests.as_ref(), defaults.max_pending_requests),
        max_requests: u32_or(max_requests.as_ref(), defaults.max_requests),
        max_retries: u32_or(max_retries.as_ref(), defaults.max_retries),
        retry_budget: r.maybe("retry_budget", retry_budget.as_ref(), budget)?,
        track_remaining: *track_remaining,
    };
    Ok((r.choice("priority", *priority)?, breakers))
}

fn budget(r: &mut Reader<'_>, proto: &proto::thresholds::RetryBudget) -> Read<(f64, u32)> {
    let proto::thresholds::RetryBudget { budget_percent, budget_interval, min_retry_concurrency } = proto;
    refuse_set!(r, "not implemented", budget_interval);
    let percent = r.maybe("budget_percent", budget_percent.as_ref(), share::percent)?;
    Ok((percent.unwrap_or(BUDGET_PERCENT), u32_or(min_retry_concurrency.as_ref(), MIN_RETRY_CONCURRENCY)))
}
