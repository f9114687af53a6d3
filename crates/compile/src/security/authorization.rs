//! AuthorizationPolicy as Envoy's RBAC (AP-01, AP-07, AP-08, AP-11).
//!
//! Filters stand in the order in which policies count: what nobody can decide (CUSTOM without a
//! provider) and DENY keep out, then ALLOW lets in. AUDIT only marks, before them.

use std::collections::HashMap;
use std::sync::Arc;

use weft_api::istio::authorization_policy::{Action, AuthorizationPolicy};
use weft_api::{Object, Spec};
use weft_proto::envoy::config::listener::v3::Filter;
use weft_proto::envoy::config::rbac::v3::{self as proto, Permission, Policy, Principal};
use weft_proto::envoy::extensions::filters::http::rbac::v3::Rbac as HttpRbac;
use weft_proto::envoy::extensions::filters::network::http_connection_manager::v3::HttpFilter;
use weft_proto::envoy::extensions::filters::network::rbac::v3::Rbac as NetworkRbac;

use super::TrustDomains;
use super::logic::Logic;
use super::rule::{self, Ground};
pub use super::value::Unusable;
use crate::filter;

/// Name of the HTTP filter.
pub const HTTP_FILTER: &str = "envoy.filters.http.rbac";
/// Name of the network filter.
pub const NETWORK_FILTER: &str = "envoy.filters.network.rbac";
/// The annotation by which a policy only counts what it would do.
const DRY_RUN: &str = "istio.io/dry-run";
/// Begins the counters of network filters.
const STAT_PREFIX: &str = "tcp.";

/// One filter to be.
#[derive(Debug, Default, PartialEq)]
struct Rules {
    enforced: Option<proto::Rbac>,
    shadow: Option<proto::Rbac>,
    shadow_prefix: &'static str,
}

/// What stands for policies of one action.
struct Stage {
    action: Action,
    rbac: proto::rbac::Action,
    shadow_prefix: &'static str,
    suffix: &'static str,
}

/// In the order of their filters.
const STAGES: [Stage; 4] = [
    // A provider that does not exist cannot let anyone in (AP-10).
    Stage {
        action: Action::Custom,
        rbac: proto::rbac::Action::Deny,
        shadow_prefix: "istio_ext_authz_",
        suffix: "-deny-due-to-bad-CUSTOM-action",
    },
    Stage {
        action: Action::Audit,
        rbac: proto::rbac::Action::Log,
        shadow_prefix: "istio_dry_run_audit_",
        suffix: "",
    },
    Stage {
        action: Action::Deny,
        rbac: proto::rbac::Action::Deny,
        shadow_prefix: "istio_dry_run_deny_",
        suffix: "",
    },
    Stage {
        action: Action::Allow,
        rbac: proto::rbac::Action::Allow,
        shadow_prefix: "istio_dry_run_allow_",
        suffix: "",
    },
];

/// The HTTP filters of the policies that apply to a workload.
#[must_use]
pub fn http_filters(policies: &[Arc<Object>], domains: &TrustDomains) -> Vec<HttpFilter> {
    let filters = stages(policies, domains, false).into_iter().map(|rules| {
        let Rules { enforced, shadow, shadow_prefix } = rules;
        let prefix = if shadow.is_some() { shadow_prefix } else { "" };
        HttpRbac {
            rules: enforced,
            shadow_rules: shadow,
            shadow_rules_stat_prefix: prefix.to_owned(),
            ..HttpRbac::default()
        }
    });
    filters.map(|rbac| filter::http_filter(HTTP_FILTER, &rbac)).collect()
}

/// The network filters of the policies that apply to a workload, for chains without HTTP.
#[must_use]
pub fn network_filters(policies: &[Arc<Object>], domains: &TrustDomains) -> Vec<Filter> {
    let filters = stages(policies, domains, true).into_iter().map(|rules| {
        let Rules { enforced, shadow, shadow_prefix } = rules;
        let prefix = if shadow.is_some() { shadow_prefix } else { "" };
        NetworkRbac {
            rules: enforced,
            shadow_rules: shadow,
            shadow_rules_stat_prefix: prefix.to_owned(),
            stat_prefix: STAT_PREFIX.to_owned(),
            ..NetworkRbac::default()
        }
    });
    filters.map(|rbac| filter::network_filter(NETWORK_FILTER, &rbac)).collect()
}

/// The first part of each rule that cannot be expressed, with the rule's field: on connections without
/// HTTP if `tcp`. An ALLOW rule with such a part lets nobody in; others go on without it.
#[must_use]
pub fn unusable_rules(object: &Object, domains: &TrustDomains, tcp: bool) -> Vec<(String, Unusable)> {
    let Spec::AuthorizationPolicy(policy) = &object.spec else { return Vec::new() };
    // Only ALLOW stops at what it cannot express.
    let ground = Ground { namespace: &object.reference.namespace, action: Action::Allow, tcp, domains };
    let checked = policy.rules.iter().enumerate().map(|(index, one)| (index, rule::policy(ground, one)));
    checked.filter_map(|(index, result)| Some((format!("spec.rules[{index}]"), result.err()?))).collect()
}

fn stages(policies: &[Arc<Object>], domains: &TrustDomains, tcp: bool) -> Vec<Rules> {
    STAGES.iter().filter_map(|stage| stage_rules(stage, policies, domains, tcp)).collect()
}

fn stage_rules(stage: &Stage, policies: &[Arc<Object>], domains: &TrustDomains, tcp: bool) -> Option<Rules> {
    let mut enforced = HashMap::new();
    let mut shadow = HashMap::new();
    let (mut enforces, mut shadows) = (false, false);
    for object in policies {
        let Spec::AuthorizationPolicy(policy) = &object.spec else { continue };
        if policy.action != stage.action {
            continue;
        }
        let dry = object.meta.annotations.get(DRY_RUN).is_some_and(|value| value == "true");
        let into = if dry { &mut shadow } else { &mut enforced };
        if dry {
            shadows = true;
        } else {
            enforces = true;
        }
        add(into, stage, object, policy, domains, tcp);
    }
    let rbac = |policies| proto::Rbac { action: stage.rbac.into(), policies, ..proto::Rbac::default() };
    if !enforces && !shadows {
        return None;
    }
    Some(Rules {
        enforced: enforces.then(|| rbac(enforced)),
        shadow: shadows.then(|| rbac(shadow)),
        shadow_prefix: stage.shadow_prefix,
    })
}

fn add(
    into: &mut HashMap<String, Policy>,
    stage: &Stage,
    object: &Object,
    policy: &AuthorizationPolicy,
    domains: &TrustDomains,
    tcp: bool,
) {
    let (namespace, name) = (&object.reference.namespace, &object.reference.name);
    let named = |index: usize| format!("ns[{namespace}]-policy[{name}]-rule[{index}]{}", stage.suffix);
    let ground = Ground { namespace, action: stage.action, tcp, domains };
    if policy.rules.is_empty() {
        // Without rules nothing matches; for ALLOW, which then lets nobody in, this must be said.
        let never = Policy {
            permissions: vec![Permission::never()],
            principals: vec![Principal::never()],
            ..Policy::default()
        };
        into.insert(named(0), never);
    }
    for (index, one) in policy.rules.iter().enumerate() {
        if let Ok(compiled) = rule::policy(ground, one) {
            into.insert(named(index), compiled);
        }
    }
}
