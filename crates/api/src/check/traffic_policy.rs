//! Policies of DestinationRules (DR-10 to DR-17).

use std::collections::BTreeSet;

use super::host::{self, Form};
use super::{at_most, bounds, connection_pool, load_balancer, tls};
use crate::diagnostic::Code;
use crate::istio::traffic_policy::{OutlierDetection, PortTrafficPolicy, RetryBudget, TrafficPolicy, Tunnel};
use crate::report::Report;

/// Most policies of single ports (the schema's bound).
const MOST_PORTS: usize = 4096;

pub(super) fn check(r: &mut Report, policy: &TrafficPolicy) {
    let TrafficPolicy {
        load_balancer,
        connection_pool,
        outlier_detection,
        tls,
        port_level_settings,
        tunnel,
        proxy_protocol: _,
        retry_budget,
    } = policy;
    if *policy == TrafficPolicy::default() {
        r.error(Code::Route, "an empty policy says nothing; leave it out");
    }
    r.maybe("loadBalancer", load_balancer.as_ref(), load_balancer::check);
    r.maybe("connectionPool", connection_pool.as_ref(), connection_pool::check);
    r.maybe("outlierDetection", outlier_detection.as_ref(), check_outliers);
    r.maybe("tls", tls.as_ref(), tls::client);
    r.maybe("tunnel", tunnel.as_ref(), check_tunnel);
    r.maybe("retryBudget", retry_budget.as_ref(), |r, budget| {
        let RetryBudget { percent, min_retry_concurrency: _, budget_interval: _ } = budget;
        r.maybe("percent", percent.as_ref(), |r, percent| bounds(r, *percent, 0.0, 100.0));
    });
    r.within("portLevelSettings", |r| at_most(r, port_level_settings.len(), MOST_PORTS, "entries"));
    let mut ports = BTreeSet::new();
    r.each("portLevelSettings", port_level_settings, |r, policy| {
        r.within("port", |r| match policy.port_number() {
            None => r.error(Code::Port, "a port needs its number"),
            Some(port) if !ports.insert(port) => {
                r.error(Code::Port, format!("{port} has its settings twice"));
            }
            Some(_) => {}
        });
        check_port(r, policy);
    });
}

fn check_port(r: &mut Report, policy: &PortTrafficPolicy) {
    let PortTrafficPolicy { port: _, load_balancer, connection_pool, outlier_detection, tls } = policy;
    r.maybe("loadBalancer", load_balancer.as_ref(), load_balancer::check);
    r.maybe("connectionPool", connection_pool.as_ref(), connection_pool::check);
    r.maybe("outlierDetection", outlier_detection.as_ref(), check_outliers);
    r.maybe("tls", tls.as_ref(), tls::client);
}

fn check_outliers(r: &mut Report, outliers: &OutlierDetection) {
    let OutlierDetection {
        consecutive_5xx_errors,
        consecutive_gateway_errors,
        consecutive_local_origin_failures,
        split_external_local_origin_errors,
        consecutive_errors: _,
        interval: _,
        base_ejection_time: _,
        max_ejection_percent,
        min_health_percent,
        http_error_codes,
    } = outliers;
    r.maybe("maxEjectionPercent", max_ejection_percent.as_ref(), |r, percent| bounds(r, *percent, 0, 100));
    r.maybe("minHealthPercent", min_health_percent.as_ref(), |r, percent| bounds(r, *percent, 0, 100));
    r.each("outlierDetectionHttpErrorCodes", http_error_codes, |r, code| bounds(r, *code, 100, 599));
    if consecutive_local_origin_failures.is_some_and(|n| n > 0) && !split_external_local_origin_errors {
        r.warn_at(
            "consecutiveLocalOriginFailures",
            Code::WithoutEffect,
            "has an effect only with splitExternalLocalOriginErrors",
        );
    }
    if let (Some(all @ 1..), Some(gateway)) = (*consecutive_5xx_errors, *consecutive_gateway_errors)
        && gateway >= all
    {
        r.warn_at(
            "consecutiveGatewayErrors",
            Code::WithoutEffect,
            "consecutive5xxErrors counts the same errors and is reached first",
        );
    }
}

fn check_tunnel(r: &mut Report, tunnel: &Tunnel) {
    let Tunnel { protocol, target_host, target_port: _ } = tunnel;
    r.maybe("protocol", protocol.as_ref(), |r, protocol| {
        if protocol != "CONNECT" && protocol != "POST" {
            r.error(Code::UnknownWord, format!("{protocol:?} is neither CONNECT nor POST"));
        }
    });
    r.within("targetHost", |r| host::check(r, target_host, Form::NameOrAddress));
}
