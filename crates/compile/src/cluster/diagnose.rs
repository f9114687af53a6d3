//! What DestinationRules ask for and clusters do not do: each is said, none is passed over in silence.

use std::collections::BTreeSet;
use std::sync::Arc;

use weft_api::istio::DestinationRule;
use weft_api::istio::load_balancer::LoadBalancer;
use weft_api::istio::traffic_policy::{ClientTls, OutlierDetection, TrafficPolicy};
use weft_api::{Code, Diagnostic, Object, Severity, Spec};
use weft_model::service::Resolution;

use crate::capabilities::Flavor;
use crate::security::diagnostic;
use crate::view::View;

/// What the rules that a proxy sees say without effect on it.
#[must_use]
pub fn diagnose(view: &View<'_>) -> Vec<Diagnostic> {
    let mut seen = BTreeSet::new();
    let mut said = Vec::new();
    for service in &view.services {
        for object in view.rule(&service.host).into_iter().flat_map(|rule| &rule.sources) {
            if let Spec::DestinationRule(spec) = &object.spec
                && seen.insert(object.reference.clone())
            {
                let report = |path: String, what: &str| said.push(without_effect(object, &path, what));
                of_rule(view, spec, report);
            }
        }
        let chosen = matches!(service.resolution, Resolution::Passthrough | Resolution::DynamicDns);
        if chosen && view.proxy.is_embedded() && service.is_wildcard() {
            let what =
                "without redirection nobody knows which host of a wildcard was called: such calls fail";
            said.push(without_effect(&service.object, "spec.resolution", what));
        }
    }
    said
}

fn of_rule(view: &View<'_>, rule: &DestinationRule, mut report: impl FnMut(String, &str)) {
    let mut levels: Vec<(String, &TrafficPolicy)> = Vec::new();
    levels.extend(rule.traffic_policy.as_ref().map(|policy| ("spec.trafficPolicy".to_owned(), policy)));
    for (index, subset) in rule.subsets.iter().enumerate() {
        let path = format!("spec.subsets[{index}].trafficPolicy");
        levels.extend(subset.traffic_policy.as_ref().map(|policy| (path, policy)));
    }
    for (path, policy) in levels {
        if policy.tunnel.is_some() {
            report(format!("{path}.tunnel"), "connections are not carried in CONNECT yet");
        }
        if policy.retry_budget.as_ref().is_some_and(|budget| budget.budget_interval.is_some()) {
            report(
                format!("{path}.retryBudget.budgetInterval"),
                "the budget is of the requests at the moment",
            );
        }
        let blocks = std::iter::once((
            path.clone(),
            policy.load_balancer.as_ref(),
            policy.outlier_detection.as_ref(),
            policy.tls.as_ref(),
        ));
        let of_ports = policy.port_level_settings.iter().enumerate().map(|(index, own)| {
            let path = format!("{path}.portLevelSettings[{index}]");
            (path, own.load_balancer.as_ref(), own.outlier_detection.as_ref(), own.tls.as_ref())
        });
        for (path, balancer, outlier, tls) in blocks.chain(of_ports) {
            blocks_without_effect(view, &path, balancer, outlier, tls, &mut report);
        }
    }
}

fn blocks_without_effect(
    view: &View<'_>,
    path: &str,
    balancer: Option<&LoadBalancer>,
    outlier: Option<&OutlierDetection>,
    tls: Option<&ClientTls>,
    report: &mut impl FnMut(String, &str),
) {
    if balancer.is_some_and(|lb| lb.zone_aware.is_some()) {
        report(
            format!("{path}.loadBalancer.zoneAwareLbSetting"),
            "zones are not weighed by their load; localityLbSetting prefers near ones",
        );
    }
    let cookie =
        balancer.and_then(|lb| lb.consistent_hash.as_ref()).and_then(|hash| hash.http_cookie.as_ref());
    if view.proxy.capabilities.flavor == Flavor::Weft && cookie.is_some_and(|c| !c.attributes.is_empty()) {
        report(
            format!("{path}.loadBalancer.consistentHash.httpCookie.attributes"),
            "Weft's proxy makes cookies without attributes",
        );
    }
    if outlier.is_some_and(|outlier| !outlier.http_error_codes.is_empty()) {
        report(
            format!("{path}.outlierDetection.outlierDetectionHttpErrorCodes"),
            "5xx count, other codes do not",
        );
    }
    if tls.is_some_and(|tls| tls.credential_name.as_deref().is_some_and(|name| !name.is_empty())) {
        report(
            format!("{path}.tls.credentialName"),
            "secrets are not served yet, and calls fail; name files with caCertificates, clientCertificate and \
             privateKey",
        );
    }
}

fn without_effect(object: &Arc<Object>, path: &str, what: &str) -> Diagnostic {
    diagnostic(Severity::Warning, object, path, Code::WithoutEffect, what.to_owned())
}
