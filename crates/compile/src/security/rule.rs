//! One rule of a policy: any source, any operation, every condition.

use weft_api::istio::authorization_policy::{Action, Condition, Operation, Rule, SourceMatch};
use weft_proto::envoy::config::rbac::v3::{Permission, Policy, Principal};

use super::TrustDomains;
use super::attribute::{Attribute, Side};
use super::value::{self, Unusable};

/// What a rule is compiled for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ground<'a> {
    /// The policy's namespace, in which short names of service accounts are.
    pub(super) namespace: &'a str,
    /// What a rule that holds does.
    pub(super) action: Action,
    /// Connections without HTTP: attributes of requests do not exist.
    pub(super) tcp: bool,
    /// The mesh's names.
    pub(super) domains: &'a TrustDomains,
}

/// An attribute, and what is asked of it.
struct Asked<'a> {
    attribute: Attribute<'a>,
    values: &'a [String],
    not_values: &'a [String],
}

/// Compiles a rule.
///
/// # Errors
/// Of an ALLOW rule, the first part that cannot be expressed.
pub(super) fn policy(ground: Ground<'_>, rule: &Rule) -> Result<Policy, Unusable> {
    let Rule { from, to, when } = rule;
    let conditions: Vec<Asked<'_>> = when.iter().filter_map(condition).collect();
    let sources: Vec<&SourceMatch> = from.iter().filter_map(|from| from.source.as_ref()).collect();
    let operations: Vec<&Operation> = to.iter().filter_map(|to| to.operation.as_ref()).collect();
    Ok(Policy {
        permissions: sides::<Permission, _>(ground, &operations, operation, &conditions)?,
        principals: sides::<Principal, _>(ground, &sources, source, &conditions)?,
        ..Policy::default()
    })
}

/// One conjunction for each entry of `from` or `to`, or one of the conditions alone.
fn sides<'a, L: Side, E>(
    ground: Ground<'_>,
    entries: &[&'a E],
    asked: impl Fn(&'a E) -> Vec<Asked<'a>>,
    conditions: &[Asked<'_>],
) -> Result<Vec<L>, Unusable> {
    let common = tests::<L>(ground, conditions)?;
    if entries.is_empty() {
        return Ok(vec![L::conjunction(common)]);
    }
    entries
        .iter()
        .map(|entry| {
            let mut parts = tests::<L>(ground, &asked(entry))?;
            parts.extend(common.iter().cloned());
            Ok(L::conjunction(parts))
        })
        .collect()
}

fn tests<L: Side>(ground: Ground<'_>, asked: &[Asked<'_>]) -> Result<Vec<L>, Unusable> {
    let mut parts = Vec::new();
    for Asked { attribute, values, not_values } in asked.iter().filter(|asked| L::has(asked.attribute)) {
        let any = each::<L>(ground, *attribute, values)?;
        if !any.is_empty() {
            parts.push(L::disjunction(any));
        }
        let none = each::<L>(ground, *attribute, not_values)?;
        if !none.is_empty() {
            parts.push(L::disjunction(none).not());
        }
    }
    Ok(parts)
}

fn each<L: Side>(
    ground: Ground<'_>,
    attribute: Attribute<'_>,
    values: &[String],
) -> Result<Vec<L>, Unusable> {
    let mut parts = Vec::with_capacity(values.len());
    for value in values {
        match value::side(ground, attribute, value) {
            Ok(tests) => parts.extend(tests),
            Err(unusable) if ground.action == Action::Allow => return Err(unusable),
            Err(_) => {}
        }
    }
    Ok(parts)
}

fn source(source: &SourceMatch) -> Vec<Asked<'_>> {
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
    [
        (Attribute::SourceIp, ip_blocks, not_ip_blocks),
        (Attribute::RemoteIp, remote_ip_blocks, not_remote_ip_blocks),
        (Attribute::Namespace, namespaces, not_namespaces),
        (Attribute::ServiceAccount, service_accounts, not_service_accounts),
        (Attribute::TrustDomain, trust_domains, not_trust_domains),
        (Attribute::Principal, principals, not_principals),
        (Attribute::RequestPrincipal, request_principals, not_request_principals),
    ]
    .into_iter()
    .map(|(attribute, values, not_values)| Asked { attribute, values, not_values })
    .collect()
}

fn operation(operation: &Operation) -> Vec<Asked<'_>> {
    let Operation { hosts, not_hosts, ports, not_ports, methods, not_methods, paths, not_paths } = operation;
    [
        (Attribute::Port, ports, not_ports),
        (Attribute::Path, paths, not_paths),
        (Attribute::Method, methods, not_methods),
        (Attribute::Host, hosts, not_hosts),
    ]
    .into_iter()
    .map(|(attribute, values, not_values)| Asked { attribute, values, not_values })
    .collect()
}

fn condition(condition: &Condition) -> Option<Asked<'_>> {
    let Condition { key, values, not_values } = condition;
    Attribute::of_key(key).map(|attribute| Asked { attribute, values, not_values })
}
