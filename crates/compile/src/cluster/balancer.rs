//! Which endpoint gets a call (DR-05, DR-06, DR-07, DR-09).

use std::time::Duration;

use weft_api::istio::load_balancer::{ConsistentHash, LoadBalancer, SimpleLoadBalancer};
use weft_proto::envoy::config::cluster::v3::Cluster;
use weft_proto::envoy::config::cluster::v3::cluster::common_lb_config::{
    LocalityConfigSpecifier, LocalityWeightedLbConfig,
};
use weft_proto::envoy::config::cluster::v3::cluster::{
    CommonLbConfig, LbConfig, LbPolicy, LeastRequestLbConfig, MaglevLbConfig, RingHashLbConfig,
    RoundRobinLbConfig, SlowStartConfig,
};
use weft_proto::envoy::config::core::v3::RuntimeDouble;
use weft_proto::envoy::r#type::v3::Percent;

use super::policy::Policy;
use crate::message::{duration, u64_value};

/// Smallest hash ring, where a rule does not say.
const MINIMUM_RING: u64 = 1024;
/// Share of its weight that a new endpoint begins with, percent, where a rule does not say.
const WARMUP_MINIMUM: f64 = 10.0;

/// How an endpoint is chosen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Balancer<'r> {
    /// In turn.
    RoundRobin,
    /// Of two, the one with fewer requests.
    LeastRequest,
    /// By dice.
    Random,
    /// By a hash of the request.
    Hash(&'r ConsistentHash),
    /// The caller has chosen.
    Passthrough,
}

impl<'r> Balancer<'r> {
    /// The balancer of a policy; Istio's default is least request.
    #[must_use]
    pub fn of(policy: &Policy<'r>) -> Self {
        let Some(rule) = policy.load_balancer else { return Self::LeastRequest };
        if let Some(hash) = &rule.consistent_hash {
            return Self::Hash(hash);
        }
        match rule.simple.unwrap_or_default() {
            SimpleLoadBalancer::RoundRobin => Self::RoundRobin,
            SimpleLoadBalancer::Random => Self::Random,
            SimpleLoadBalancer::Passthrough => Self::Passthrough,
            SimpleLoadBalancer::Unspecified
            | SimpleLoadBalancer::LeastConn
            | SimpleLoadBalancer::LeastRequest => Self::LeastRequest,
        }
    }
}

/// Sets the balancing of a cluster whose endpoints are not chosen by callers.
pub(crate) fn apply(cluster: &mut Cluster, policy: &Policy<'_>) {
    let slow_start = policy.load_balancer.and_then(slow_start);
    let lb_policy = match Balancer::of(policy) {
        Balancer::RoundRobin => {
            cluster.lb_config = slow_start.map(|slow| {
                LbConfig::RoundRobinLbConfig(RoundRobinLbConfig { slow_start_config: Some(slow) })
            });
            LbPolicy::RoundRobin
        }
        Balancer::LeastRequest => {
            cluster.lb_config = slow_start.map(|slow| {
                LbConfig::LeastRequestLbConfig(LeastRequestLbConfig {
                    slow_start_config: Some(slow),
                    ..Default::default()
                })
            });
            LbPolicy::LeastRequest
        }
        Balancer::Random => LbPolicy::Random,
        Balancer::Hash(ConsistentHash { maglev: Some(maglev), .. }) => {
            let config = MaglevLbConfig { table_size: maglev.table_size.map(u64_value) };
            cluster.lb_config = Some(LbConfig::MaglevLbConfig(config));
            LbPolicy::Maglev
        }
        Balancer::Hash(hash) => {
            let own = hash.ring_hash.as_ref().and_then(|ring| ring.minimum_ring_size);
            let minimum = own.or(hash.minimum_ring_size).filter(|n| *n > 0).unwrap_or(MINIMUM_RING);
            let config =
                RingHashLbConfig { minimum_ring_size: Some(u64_value(minimum)), ..Default::default() };
            cluster.lb_config = Some(LbConfig::RingHashLbConfig(config));
            LbPolicy::RingHash
        }
        Balancer::Passthrough => LbPolicy::ClusterProvided,
    };
    cluster.lb_policy = lb_policy.into();
    cluster.common_lb_config = common(policy);
}

fn common(policy: &Policy<'_>) -> Option<CommonLbConfig> {
    let locality = policy.load_balancer.and_then(|lb| lb.locality.as_ref());
    let by_locality = locality.is_none_or(|setting| setting.enabled.unwrap_or(true));
    let weighted = LocalityConfigSpecifier::LocalityWeightedLbConfig(LocalityWeightedLbConfig {});
    let config = CommonLbConfig {
        // With outlier detection, too few healthy endpoints cause panic only where the rule says so.
        healthy_panic_threshold: policy
            .outlier_detection
            .map(|outlier| Percent { value: f64::from(outlier.min_health_percent.unwrap_or(0).min(100)) }),
        locality_config_specifier: by_locality.then_some(weighted),
        ..Default::default()
    };
    (config != CommonLbConfig::default()).then_some(config)
}

fn slow_start(rule: &LoadBalancer) -> Option<SlowStartConfig> {
    let old = || rule.warmup_duration.map(|window| (window, None, None));
    let new = rule.warmup.as_ref().and_then(|w| Some((w.duration?, w.minimum_percent, w.aggression)));
    let (window, minimum, aggression) = new.or_else(old)?;
    (window > Duration::ZERO).then(|| SlowStartConfig {
        slow_start_window: Some(duration(window)),
        aggression: aggression.map(|value| RuntimeDouble {
            default_value: value,
            // Envoy wants a name, under which its runtime could override the value.
            runtime_key: "istio.warmup.aggression".to_owned(),
        }),
        min_weight_percent: Some(Percent { value: minimum.unwrap_or(WARMUP_MINIMUM) }),
    })
}
