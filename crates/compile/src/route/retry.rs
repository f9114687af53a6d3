//! Retries (VS-20).

use weft_api::istio::http_route::HttpRetry;
use weft_proto::any::pack;
use weft_proto::envoy::config::route::v3::RetryPolicy;
use weft_proto::envoy::config::route::v3::retry_policy::{
    RetryBackOff, RetryHostPredicate, RetryPriority, retry_host_predicate, retry_priority,
};
use weft_proto::envoy::extensions::retry::host::previous_hosts::v3::PreviousHostsPredicate;
use weft_proto::envoy::extensions::retry::priority::previous_priorities::v3::PreviousPrioritiesConfig;

use crate::message::{duration, u32_value};

/// What is tried again where a rule does not say.
const CONDITIONS: &str = "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes";
/// Status that is tried again where a rule does not say: what a proxy answers whose endpoint is gone.
const STATUS: u32 = 503;
/// Retries where a rule does not say.
const ATTEMPTS: u32 = 2;
/// How often a host is chosen again that was tried before.
const HOST_SELECTIONS: i64 = 5;
/// Priorities are chosen anew at each second retry.
const PRIORITY_FREQUENCY: i32 = 2;

/// The policy of a rule; `None`: nothing is tried again. `hashed`: requests are spread by a hash, and so
/// may not be sent elsewhere.
pub(super) fn policy(rule: Option<&HttpRetry>, hashed: bool) -> Option<RetryPolicy> {
    if rule.is_some_and(|rule| rule.attempts == Some(0)) {
        return None;
    }
    let avoid = rule.and_then(|rule| rule.retry_ignore_previous_hosts).unwrap_or(true) && !hashed;
    let (on, statuses) = conditions(rule.and_then(|rule| rule.retry_on.as_deref()));
    let elsewhere = rule.and_then(|rule| rule.retry_remote_localities).unwrap_or(false);
    Some(RetryPolicy {
        retry_on: on,
        num_retries: Some(u32_value(rule.and_then(|rule| rule.attempts).unwrap_or(ATTEMPTS))),
        per_try_timeout: rule.and_then(|rule| rule.per_try_timeout).map(duration),
        retry_host_predicate: if avoid { vec![previous_hosts()] } else { Vec::new() },
        host_selection_retry_max_attempts: HOST_SELECTIONS,
        retriable_status_codes: statuses,
        retry_priority: elsewhere.then(previous_priorities),
        retry_back_off: rule
            .and_then(|rule| rule.backoff)
            .map(|base| RetryBackOff { base_interval: Some(duration(base)), max_interval: None }),
        ..Default::default()
    })
}

/// Numbers among the conditions are statuses.
fn conditions(told: Option<&str>) -> (String, Vec<u32>) {
    let Some(told) = told.filter(|told| !told.trim().is_empty()) else {
        return (CONDITIONS.to_owned(), vec![STATUS]);
    };
    let mut words: Vec<&str> = Vec::new();
    let mut statuses = Vec::new();
    for word in told.split(',').map(str::trim).filter(|word| !word.is_empty()) {
        match word.parse::<u32>() {
            Ok(status) => statuses.push(status),
            Err(_) => words.push(word),
        }
    }
    if !statuses.is_empty() && !words.contains(&"retriable-status-codes") {
        words.push("retriable-status-codes");
    }
    (words.join(","), statuses)
}

fn previous_hosts() -> RetryHostPredicate {
    RetryHostPredicate {
        name: "envoy.retry_host_predicates.previous_hosts".to_owned(),
        config_type: Some(retry_host_predicate::ConfigType::TypedConfig(pack(&PreviousHostsPredicate {}))),
    }
}

fn previous_priorities() -> RetryPriority {
    let config = PreviousPrioritiesConfig { update_frequency: PRIORITY_FREQUENCY };
    RetryPriority {
        name: "envoy.retry_priorities.previous_priorities".to_owned(),
        config_type: Some(retry_priority::ConfigType::TypedConfig(pack(&config))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_istios() {
        let policy = policy(None, false).unwrap();
        assert_eq!(policy.retry_on, CONDITIONS);
        assert_eq!(policy.num_retries, Some(u32_value(2)));
        assert_eq!((policy.retry_host_predicate.len(), policy.host_selection_retry_max_attempts), (1, 5));
    }

    #[test]
    fn numbers_are_statuses_and_no_attempts_are_none() {
        let rule = HttpRetry { retry_on: Some("5xx, 409".into()), attempts: Some(3), ..HttpRetry::default() };
        let told = policy(Some(&rule), true).unwrap();
        assert_eq!(
            (told.retry_on.as_str(), told.retriable_status_codes),
            ("5xx,retriable-status-codes", vec![409])
        );
        assert!(told.retry_host_predicate.is_empty());
        assert_eq!(policy(Some(&HttpRetry { attempts: Some(0), ..HttpRetry::default() }), false), None);
    }
}
