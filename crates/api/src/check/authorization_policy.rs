//! AuthorizationPolicy (AP rows).

use super::{address, at_most, exclusive, label, length};
use crate::decode::shorten;
use crate::diagnostic::Code;
use crate::istio::AuthorizationPolicy;
use crate::istio::authorization_policy::{Action, Condition, Operation, PolicyTarget, Rule, SourceMatch};
use crate::report::Report;
use crate::value::{Port, name};

/// Bounds of the schema.
const MOST_RULES: usize = 512;
const MOST_SOURCES: usize = 512;
const MOST_TARGETS: usize = 16;
const MOST_SERVICE_ACCOUNTS: usize = 16;

pub(super) fn check(r: &mut Report, spec: &AuthorizationPolicy) {
    let AuthorizationPolicy { selector, target_ref, target_refs, rules, action, provider } = spec;
    exclusive(
        r,
        &[
            ("selector", selector.is_some()),
            ("targetRef", target_ref.is_some()),
            ("targetRefs", !target_refs.is_empty()),
        ],
    );
    r.maybe("selector", selector.as_ref(), label::selector);
    r.maybe("targetRef", target_ref.as_ref(), check_target);
    r.within("targetRefs", |r| at_most(r, target_refs.len(), MOST_TARGETS, "targets"));
    r.each("targetRefs", target_refs, check_target);
    let provider_name = provider.as_ref().and_then(|provider| provider.name.as_ref());
    match (action, provider) {
        (Action::Custom, _) if provider_name.is_none() => {
            r.error_at("provider", Code::Policy, "CUSTOM needs provider.name, who decides");
        }
        (Action::Allow | Action::Deny | Action::Audit, Some(_)) => {
            r.error_at("provider", Code::Policy, format!("has no meaning with action {}", action.as_str()));
        }
        _ => {}
    }
    if rules.is_empty() && *action != Action::Allow {
        r.warn_at("rules", Code::WithoutEffect, format!("{} without rules does nothing", action.as_str()));
    }
    r.within("rules", |r| at_most(r, rules.len(), MOST_RULES, "rules"));
    r.each("rules", rules, check_rule);
}

fn check_target(r: &mut Report, target: &PolicyTarget) {
    let PolicyTarget { group, kind, name: object, namespace } = target;
    r.maybe("group", group.as_ref(), |r, group| {
        if !name::is_subdomain(group) {
            r.error(Code::Reference, format!("{:?} is not an API group", shorten(group)));
        }
    });
    r.within("kind", |r| {
        length(r, kind, 63);
        if !kind.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
            r.error(Code::Reference, format!("{:?} is not a kind", shorten(kind)));
        }
    });
    r.within("name", |r| length(r, object, 253));
    if namespace.is_some() {
        r.error_at("namespace", Code::Reference, "a target is always of the policy's own namespace");
    }
}

fn check_rule(r: &mut Report, rule: &Rule) {
    let Rule { from, to, when } = rule;
    r.within("from", |r| at_most(r, from.len(), MOST_SOURCES, "sources"));
    r.each("from", from, |r, from| match &from.source {
        Some(source) if *source != SourceMatch::default() => r.within("source", |r| check_source(r, source)),
        _ => r.error_at(
            "source",
            Code::Policy,
            "an empty source says nothing; leave from out to mean everybody",
        ),
    });
    r.each("to", to, |r, to| match &to.operation {
        Some(operation) if *operation != Operation::default() => {
            r.within("operation", |r| check_operation(r, operation));
        }
        _ => {
            r.error_at(
                "operation",
                Code::Policy,
                "an empty operation says nothing; leave to out to mean all",
            );
        }
    });
    r.each("when", when, check_condition);
}

fn check_source(r: &mut Report, source: &SourceMatch) {
    let SourceMatch {
        principals,
        not_principals,
        request_principals,
        not_request_principals,
        namespaces,
        not_namespaces,
        service_accounts,
        not_service_accounts,
        ip_blocks,
        not_ip_blocks,
        remote_ip_blocks,
        not_remote_ip_blocks,
        trust_domains,
        not_trust_domains,
    } = source;
    for (field, texts) in [
        ("principals", principals),
        ("notPrincipals", not_principals),
        ("requestPrincipals", request_principals),
        ("notRequestPrincipals", not_request_principals),
        ("namespaces", namespaces),
        ("notNamespaces", not_namespaces),
        ("trustDomains", trust_domains),
        ("notTrustDomains", not_trust_domains),
    ] {
        not_empty(r, field, texts);
    }
    for (field, texts) in [("principals", principals), ("notPrincipals", not_principals)] {
        r.each(field, texts, |r, text| {
            if text.starts_with("spiffe://") {
                let message = format!("{:?} never matches", shorten(text));
                r.error_with_hint(Code::Policy, message, "leave spiffe:// out");
            }
        });
    }
    for (field, accounts) in
        [("serviceAccounts", service_accounts), ("notServiceAccounts", not_service_accounts)]
    {
        r.within(field, |r| at_most(r, accounts.len(), MOST_SERVICE_ACCOUNTS, "service accounts"));
        r.each(field, accounts, |r, account| {
            length(r, account, 320);
            let (namespace, account_name) = account.split_once('/').unwrap_or(("default", account));
            if !name::is_label(namespace) || !name::is_subdomain(account_name) {
                let message = format!("{:?} is not a service account", shorten(account));
                r.error_with_hint(Code::Policy, message, "write NAME or NAMESPACE/NAME, without wildcards");
            }
        });
    }
    let by_account = !service_accounts.is_empty() || !not_service_accounts.is_empty();
    let by_identity =
        [principals, not_principals, namespaces, not_namespaces].iter().any(|texts| !texts.is_empty());
    if by_account && by_identity {
        r.error(Code::Exclusive, "serviceAccounts cannot stand beside principals or namespaces");
    }
    address::ranges(r, "ipBlocks", ip_blocks);
    address::ranges(r, "notIpBlocks", not_ip_blocks);
    address::ranges(r, "remoteIpBlocks", remote_ip_blocks);
    address::ranges(r, "notRemoteIpBlocks", not_remote_ip_blocks);
}

fn check_operation(r: &mut Report, operation: &Operation) {
    let Operation { hosts, not_hosts, ports, not_ports, methods, not_methods, paths, not_paths } = operation;
    for (field, texts) in
        [("hosts", hosts), ("notHosts", not_hosts), ("methods", methods), ("notMethods", not_methods)]
    {
        not_empty(r, field, texts);
    }
    for (field, texts) in [("ports", ports), ("notPorts", not_ports)] {
        r.each(field, texts, |r, text| port(r, text));
    }
    for (field, texts) in [("paths", paths), ("notPaths", not_paths)] {
        not_empty(r, field, texts);
        r.each(field, texts, |r, text| template(r, text));
    }
}

fn port(r: &mut Report, text: &str) {
    if text.parse().ok().and_then(Port::new).is_none() {
        r.error(Code::Port, format!("{:?} is not a port's number", shorten(text)));
    }
}

/// Checks a path that may hold `{*}` for one segment and, once and after them, `{**}` for any number.
fn template(r: &mut Report, path: &str) {
    if !path.contains(['{', '}']) {
        return;
    }
    let mut rests = 0;
    for segment in path.split('/') {
        match segment {
            "{*}" if rests == 0 => {}
            "{*}" => return r.error(Code::Policy, "{*} cannot stand after {**}"),
            "{**}" => rests += 1,
            _ if segment.contains(['{', '}', '*']) => {
                let message = format!("{:?} is not a segment of a path template", shorten(segment));
                return r.error_with_hint(Code::Policy, message, "{*} or {**}, alone between slashes");
            }
            _ if !segment.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~%!$&'()+,;:@=".contains(&b)) => {
                let message = format!("{:?} cannot stand in a path template", shorten(segment));
                return r.error(Code::Policy, message);
            }
            _ => {}
        }
    }
    if rests > 1 {
        r.error(Code::Policy, "{**} may stand once");
    }
}

fn not_empty(r: &mut Report, field: &'static str, texts: &[String]) {
    r.each(field, texts, |r, text| {
        if text.is_empty() {
            r.error(Code::Policy, "an empty text never matches");
        }
    });
}

/// Attributes that conditions may test; those with brackets take a name within.
const ATTRIBUTES: &[&str] = &[
    "source.ip",
    "remote.ip",
    "source.namespace",
    "source.principal",
    "source.serviceAccount",
    "source.trustDomain",
    "request.auth.principal",
    "request.auth.audiences",
    "request.auth.presenter",
    "destination.ip",
    "destination.port",
    "connection.sni",
];
const ATTRIBUTES_WITH_NAMES: &[&str] = &["request.headers", "request.auth.claims"];
/// Metadata of Envoy's filters, by their name.
const EXPERIMENTAL: &str = "experimental.";

fn check_condition(r: &mut Report, condition: &Condition) {
    let Condition { key, values, not_values } = condition;
    let named = ATTRIBUTES_WITH_NAMES.iter().any(|attribute| {
        key.strip_prefix(attribute)
            .is_some_and(|rest| rest.len() > 2 && rest.starts_with('[') && rest.ends_with(']'))
    });
    if !named && !ATTRIBUTES.contains(&key.as_str()) && !key.starts_with(EXPERIMENTAL) {
        let known = ATTRIBUTES.iter().chain(ATTRIBUTES_WITH_NAMES).copied();
        let message = format!("{:?} is not an attribute", shorten(key));
        r.within("key", |r| match crate::decode::nearest(key, known) {
            Some(near) if ATTRIBUTES_WITH_NAMES.contains(&near) => {
                r.error_with_hint(Code::Policy, message, format!("write {near}[NAME]"));
            }
            Some(near) => r.error_with_hint(Code::Policy, message, format!("did you mean {near}?")),
            None => r.error(Code::Policy, message),
        });
    }
    if values.is_empty() && not_values.is_empty() {
        r.error(Code::Policy, "needs values or notValues");
    }
    for (field, texts) in [("values", values), ("notValues", not_values)] {
        r.each(field, texts, |r, text| match key.as_str() {
            "source.ip" | "remote.ip" | "destination.ip" => address::range(r, text),
            "destination.port" => port(r, text),
            _ => {}
        });
    }
}
