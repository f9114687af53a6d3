//! What the rules of role-based access control say.

use weft_match::StringMatcher;
use weft_tables::cluster::MetadataValue;
use weft_tables::filter::{MetadataMatcher, Permission, Principal, RbacAction, RbacRules};
use weft_types::{Name, RequestHead};

use crate::seam::Context;

/// The outcome of rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RbacVerdict {
    /// It passes.
    pub allowed: bool,
    /// The policy that matched.
    pub policy: Option<Name>,
}

/// Judges a connection (`head` absent) or a request. HTTP-only tests never hold without a head.
#[must_use]
pub fn evaluate(rules: &RbacRules, head: Option<&RequestHead>, cx: &Context) -> RbacVerdict {
    let policy = rules
        .policies
        .iter()
        .find(|(_, p)| {
            p.permissions.iter().any(|t| permits(t, head, cx))
                && p.principals.iter().any(|t| is_principal(t, head, cx))
        })
        .map(|(name, _)| name.clone());
    let allowed = match rules.action {
        RbacAction::Allow => policy.is_some(),
        RbacAction::Deny => policy.is_none(),
        RbacAction::Log => true,
    };
    RbacVerdict { allowed, policy }
}

fn permits(test: &Permission, head: Option<&RequestHead>, cx: &Context) -> bool {
    match test {
        Permission::And(all) => all.iter().all(|t| permits(t, head, cx)),
        Permission::Or(any) => any.iter().any(|t| permits(t, head, cx)),
        Permission::Not(inner) => !permits(inner, head, cx),
        Permission::Any => true,
        Permission::Header(matcher) => head.is_some_and(|h| matcher.matches(h)),
        Permission::UrlPath(matcher) => head.is_some_and(|h| matcher.matches(h.path_only().as_bytes())),
        Permission::DestinationIp(ranges) => cx.facts.local.is_some_and(|a| ranges.contains(a.ip())),
        Permission::DestinationPort(port) => cx.facts.local.is_some_and(|a| a.port() == *port),
        Permission::DestinationPorts(start, end) => {
            cx.facts.local.is_some_and(|a| a.port() >= *start && u32::from(a.port()) < *end)
        }
        Permission::ServerName(matcher) => {
            matcher.matches(cx.facts.server_name.as_deref().unwrap_or_default().as_bytes())
        }
        Permission::Metadata(matcher) => metadata_matches(matcher, cx),
    }
}

fn is_principal(test: &Principal, head: Option<&RequestHead>, cx: &Context) -> bool {
    match test {
        Principal::And(all) => all.iter().all(|t| is_principal(t, head, cx)),
        Principal::Or(any) => any.iter().any(|t| is_principal(t, head, cx)),
        Principal::Not(inner) => !is_principal(inner, head, cx),
        Principal::Any => true,
        Principal::Authenticated(matcher) => authenticated(matcher.as_ref(), cx),
        Principal::SourceIp(ranges) => cx.facts.source.is_some_and(|a| ranges.contains(a.ip())),
        Principal::DirectRemoteIp(ranges) => cx.facts.direct_remote.is_some_and(|a| ranges.contains(a.ip())),
        Principal::RemoteIp(ranges) => cx.remote.is_some_and(|a| ranges.contains(a.ip())),
        Principal::Header(matcher) => head.is_some_and(|h| matcher.matches(h)),
        Principal::UrlPath(matcher) => head.is_some_and(|h| matcher.matches(h.path_only().as_bytes())),
        Principal::Metadata(matcher) => metadata_matches(matcher, cx),
        Principal::FilterState(key, matcher) => {
            cx.state.get(key).is_some_and(|v| matcher.matches(v.as_bytes()))
        }
    }
}

/// URI names first, then DNS names, then the subject: the first kind that the certificate has is
/// what counts, as in Envoy. Without a test, whoever came over TLS is authenticated: that the listener
/// let the connection in is all that is asked.
fn authenticated(matcher: Option<&StringMatcher>, cx: &Context) -> bool {
    let facts = &cx.facts;
    let Some(matcher) = matcher else { return facts.tls };
    if !facts.peer_verified {
        return false;
    }
    if !facts.peer_uris.is_empty() {
        return facts.peer_uris.iter().any(|u| matcher.matches(u.as_bytes()));
    }
    if !facts.peer_dns.is_empty() {
        return facts.peer_dns.iter().any(|d| matcher.matches(d.as_bytes()));
    }
    matcher.matches(facts.peer_subject.as_bytes())
}

fn metadata_matches(matcher: &MetadataMatcher, cx: &Context) -> bool {
    let mut value = cx.metadata.get(&matcher.filter);
    for key in &matcher.path {
        value = match value {
            Some(MetadataValue::Struct(fields)) => fields.get(key),
            _ => None,
        };
    }
    let found = match value {
        Some(MetadataValue::String(text)) => matcher.value.matches(text.as_bytes()),
        Some(MetadataValue::List(items)) => {
            items.iter().any(|i| matches!(i, MetadataValue::String(t) if matcher.value.matches(t.as_bytes())))
        }
        _ => false,
    };
    found != matcher.invert
}

#[cfg(test)]
mod tests;
