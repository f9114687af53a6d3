//! Which blocks of a DestinationRule count for a cluster (DR-02).

use weft_api::istio::DestinationRule;
use weft_api::istio::connection_pool::ConnectionPool;
use weft_api::istio::destination_rule::Subset;
use weft_api::istio::load_balancer::LoadBalancer;
use weft_api::istio::traffic_policy::{
    ClientTls, OutlierDetection, ProxyProtocol, RetryBudget, TrafficPolicy, Tunnel,
};

/// The blocks that count; what is absent has Istio's default.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Policy<'r> {
    /// Which endpoint gets a call.
    pub load_balancer: Option<&'r LoadBalancer>,
    /// Limits and timers.
    pub connection_pool: Option<&'r ConnectionPool>,
    /// Which endpoints are left out for a while.
    pub outlier_detection: Option<&'r OutlierDetection>,
    /// TLS; without it automatic mutual TLS (DR-15).
    pub tls: Option<&'r ClientTls>,
    /// Calls within CONNECT (DR-16).
    pub tunnel: Option<&'r Tunnel>,
    /// PROXY header toward endpoints (DR-17).
    pub proxy_protocol: Option<&'r ProxyProtocol>,
    /// Share of calls that may be retries (DR-13).
    pub retry_budget: Option<&'r RetryBudget>,
}

impl<'r> Policy<'r> {
    /// The policy of a subset and port: of the rule, then of the subset, whose blocks replace the rule's.
    #[must_use]
    pub fn of(rule: Option<&'r DestinationRule>, subset: Option<&'r Subset>, port: u16) -> Self {
        let mut policy = Self::default();
        let levels =
            [rule.and_then(|r| r.traffic_policy.as_ref()), subset.and_then(|s| s.traffic_policy.as_ref())];
        for level in levels.into_iter().flatten() {
            policy.overlay(level, port);
        }
        policy
    }

    fn overlay(&mut self, level: &'r TrafficPolicy, port: u16) {
        self.load_balancer = level.load_balancer.as_ref().or(self.load_balancer);
        self.connection_pool = level.connection_pool.as_ref().or(self.connection_pool);
        self.outlier_detection = level.outlier_detection.as_ref().or(self.outlier_detection);
        self.tls = level.tls.as_ref().or(self.tls);
        self.tunnel = level.tunnel.as_ref().or(self.tunnel);
        self.proxy_protocol = level.proxy_protocol.as_ref().or(self.proxy_protocol);
        self.retry_budget = level.retry_budget.as_ref().or(self.retry_budget);
        let of_port = |p: &&weft_api::istio::traffic_policy::PortTrafficPolicy| {
            p.port_number().is_some_and(|number| number.number() == port)
        };
        // Settings of a port stand alone: what they leave out has the default, not the level above.
        if let Some(own) = level.port_level_settings.iter().find(of_port) {
            self.load_balancer = own.load_balancer.as_ref();
            self.connection_pool = own.connection_pool.as_ref();
            self.outlier_detection = own.outlier_detection.as_ref();
            self.tls = own.tls.as_ref();
        }
    }
}
