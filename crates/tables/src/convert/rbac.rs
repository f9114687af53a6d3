//! Role-based access control.

use std::sync::Arc;

use weft_match::{CidrSet, StringMatcher};
use weft_types::Name;

use super::reader::{Read, Reader};
use super::unset::{ignore_set, refuse_set};
use super::{matcher, path_template};
use crate::filter::{MetadataMatcher, Permission, Principal, Rbac, RbacAction, RbacPolicy, RbacRules};
use crate::pb::envoy::config::core::v3::{CidrRange, TypedExtensionConfig};
use crate::pb::envoy::config::rbac::v3::{self as proto, permission::Rule, principal::Identifier};
use crate::pb::envoy::extensions::filters::http::rbac::v3 as http;
use crate::pb::envoy::extensions::path::r#match::uri_template::v3::UriTemplateMatchConfig;
use crate::pb::envoy::r#type::matcher::v3::{self as matchers, value_matcher::MatchPattern};
use crate::pb::envoy::r#type::v3::Int32Range;

/// Reads the HTTP filter.
pub(crate) fn http(r: &mut Reader<'_>, proto: &http::Rbac) -> Read<Rbac> {
    let http::Rbac {
        rules: enforced,
        rules_stat_prefix,
        matcher,
        shadow_rules,
        shadow_matcher,
        shadow_rules_stat_prefix,
        track_per_rule_stats,
    } = proto;
    refuse_set!(r, "not implemented", matcher);
    ignore_set!(r, "shadow matchers are not evaluated", shadow_matcher);
    ignore_set!(r, "it only changes counters", track_per_rule_stats);
    Ok(Rbac {
        rules: r.maybe("rules", enforced.as_ref(), rules)?,
        shadow: r.maybe("shadow_rules", shadow_rules.as_ref(), rules)?,
        shadow_stat_prefix: shadow_rules_stat_prefix.as_str().into(),
        stat_prefix: rules_stat_prefix.as_str().into(),
    })
}

/// Reads rules, in the order of policy names.
pub(crate) fn rules(r: &mut Reader<'_>, proto: &proto::Rbac) -> Read<RbacRules> {
    let proto::Rbac { action, policies, audit_logging_options } = proto;
    ignore_set!(r, "there is no audit log", audit_logging_options);
    let mut names: Vec<&String> = policies.keys().collect();
    names.sort_unstable();
    let mut read = Vec::with_capacity(names.len());
    for name in names {
        let Some(one) = policies.get(name) else { continue };
        read.push((Name::from(name.as_str()), r.key("policies", name, |r| policy(r, one))?));
    }
    Ok(RbacRules {
        action: match r.choice("action", *action)? {
            proto::rbac::Action::Allow => RbacAction::Allow,
            proto::rbac::Action::Deny => RbacAction::Deny,
            proto::rbac::Action::Log => RbacAction::Log,
        },
        policies: read,
    })
}

fn policy(r: &mut Reader<'_>, proto: &proto::Policy) -> Read<RbacPolicy> {
    let proto::Policy { permissions, principals, condition, checked_condition, cel_config } = proto;
    refuse_set!(r, "CEL is not implemented", condition, checked_condition);
    ignore_set!(r, "it has a meaning only with a condition", cel_config);
    if permissions.is_empty() || principals.is_empty() {
        return Err(r.refuse("at least one permission and one principal are required"));
    }
    Ok(RbacPolicy {
        permissions: r.each("permissions", permissions, permission)?,
        principals: r.each("principals", principals, principal)?,
    })
}

fn permission(r: &mut Reader<'_>, proto: &proto::Permission) -> Read<Permission> {
    let proto::Permission { rule } = proto;
    Ok(match rule {
        Some(Rule::AndRules(proto::permission::Set { rules })) => {
            Permission::And(r.within("and_rules", |r| several(r, "rules", rules, permission))?)
        }
        Some(Rule::OrRules(proto::permission::Set { rules })) => {
            Permission::Or(r.within("or_rules", |r| several(r, "rules", rules, permission))?)
        }
        Some(Rule::NotRule(inner)) => {
            Permission::Not(Box::new(r.within("not_rule", |r| permission(r, inner))?))
        }
        Some(Rule::Any(true)) => Permission::Any,
        Some(Rule::Any(false)) => return Err(r.refuse_at("any", "must be true")),
        Some(Rule::Header(header)) => Permission::Header(r.within("header", |r| matcher::header(r, header))?),
        Some(Rule::UrlPath(path)) => Permission::UrlPath(r.within("url_path", |r| url_path(r, path))?),
        Some(Rule::DestinationIp(range)) => Permission::DestinationIp(one_range(r, "destination_ip", range)?),
        Some(Rule::DestinationPort(port)) => match u16::try_from(*port) {
            Ok(port) => Permission::DestinationPort(port),
            Err(_) => return Err(r.refuse_at("destination_port", format!("{port} is not a port"))),
        },
        Some(Rule::DestinationPortRange(Int32Range { start, end })) => {
            match (u16::try_from(*start), u32::try_from(*end)) {
                (Ok(start), Ok(end)) if u32::from(start) < end && end <= 65_536 => {
                    Permission::DestinationPorts(start, end)
                }
                _ => return Err(r.refuse_at("destination_port_range", "not a range of ports")),
            }
        }
        Some(Rule::RequestedServerName(name)) => {
            Permission::ServerName(r.within("requested_server_name", |r| matcher::string(r, name))?)
        }
        Some(Rule::Metadata(metadata)) => {
            Permission::Metadata(Arc::new(r.within("metadata", |r| metadata_matcher(r, metadata))?))
        }
        Some(Rule::SourcedMetadata(metadata)) => {
            Permission::Metadata(Arc::new(r.within("sourced_metadata", |r| sourced(r, metadata))?))
        }
        Some(Rule::Matcher(_)) => return Err(r.refuse_at("matcher", "not implemented")),
        Some(Rule::UriTemplate(config)) => {
            Permission::UrlPath(r.within("uri_template", |r| uri_template(r, config))?)
        }
        None => return Err(r.refuse("a permission needs a rule")),
    })
}

fn principal(r: &mut Reader<'_>, proto: &proto::Principal) -> Read<Principal> {
    let proto::Principal { identifier } = proto;
    Ok(match identifier {
        Some(Identifier::AndIds(proto::principal::Set { ids })) => {
            Principal::And(r.within("and_ids", |r| several(r, "ids", ids, principal))?)
        }
        Some(Identifier::OrIds(proto::principal::Set { ids })) => {
            Principal::Or(r.within("or_ids", |r| several(r, "ids", ids, principal))?)
        }
        Some(Identifier::NotId(inner)) => {
            Principal::Not(Box::new(r.within("not_id", |r| principal(r, inner))?))
        }
        Some(Identifier::Any(true)) => Principal::Any,
        Some(Identifier::Any(false)) => return Err(r.refuse_at("any", "must be true")),
        Some(Identifier::Authenticated(proto::principal::Authenticated { principal_name })) => {
            let name = r.within("authenticated", |r| {
                r.maybe("principal_name", principal_name.as_ref(), matcher::string)
            })?;
            Principal::Authenticated(name)
        }
        Some(Identifier::SourceIp(range)) => Principal::SourceIp(one_range(r, "source_ip", range)?),
        Some(Identifier::DirectRemoteIp(range)) => {
            Principal::DirectRemoteIp(one_range(r, "direct_remote_ip", range)?)
        }
        Some(Identifier::RemoteIp(range)) => Principal::RemoteIp(one_range(r, "remote_ip", range)?),
        Some(Identifier::Header(header)) => {
            Principal::Header(r.within("header", |r| matcher::header(r, header))?)
        }
        Some(Identifier::UrlPath(path)) => Principal::UrlPath(r.within("url_path", |r| url_path(r, path))?),
        Some(Identifier::Metadata(metadata)) => {
            Principal::Metadata(Arc::new(r.within("metadata", |r| metadata_matcher(r, metadata))?))
        }
        Some(Identifier::SourcedMetadata(metadata)) => {
            Principal::Metadata(Arc::new(r.within("sourced_metadata", |r| sourced(r, metadata))?))
        }
        Some(Identifier::FilterState(state)) => r.within("filter_state", |r| filter_state(r, state))?,
        Some(Identifier::Custom(_)) => return Err(r.refuse_at("custom", "not implemented")),
        None => return Err(r.refuse("a principal needs an identifier")),
    })
}

fn several<P, T>(
    r: &mut Reader<'_>,
    field: &'static str,
    protos: &[P],
    read: impl FnMut(&mut Reader<'_>, &P) -> Read<T>,
) -> Read<Vec<T>> {
    if protos.is_empty() {
        return Err(r.refuse(format!("{field} must not be empty")));
    }
    r.each(field, protos, read)
}

fn one_range(r: &mut Reader<'_>, field: &'static str, range: &CidrRange) -> Read<CidrSet> {
    Ok(CidrSet::new(vec![r.within(field, |r| matcher::range(r, range))?]))
}

fn url_path(r: &mut Reader<'_>, proto: &matchers::PathMatcher) -> Read<StringMatcher> {
    let matchers::PathMatcher { rule } = proto;
    match rule {
        Some(matchers::path_matcher::Rule::Path(path)) => r.within("path", |r| matcher::string(r, path)),
        None => Err(r.refuse("path is required")),
    }
}

/// Reads a template as a test of the path without its query.
fn uri_template(r: &mut Reader<'_>, proto: &TypedExtensionConfig) -> Read<StringMatcher> {
    let TypedExtensionConfig { name: _, typed_config } = proto;
    r.need("typed_config", typed_config.as_ref(), |r, any| {
        r.unpack(any, |r, UriTemplateMatchConfig { path_template: template }| {
            let expression = path_template::expression(template)
                .and_then(|expression| weft_match::string::full_match(&expression).ok());
            let refuse = || r.refuse_at("path_template", format!("{template:?} is not a template of a path"));
            expression.map(StringMatcher::Regex).ok_or_else(refuse)
        })
    })
}

fn sourced(r: &mut Reader<'_>, proto: &proto::SourcedMetadata) -> Read<MetadataMatcher> {
    let proto::SourcedMetadata { metadata_matcher: matcher, metadata_source } = proto;
    if r.choice::<proto::MetadataSource>("metadata_source", *metadata_source)?
        != proto::MetadataSource::Dynamic
    {
        return Err(r.refuse_at("metadata_source", "only dynamic metadata is implemented"));
    }
    r.need("metadata_matcher", matcher.as_ref(), metadata_matcher)
}

fn metadata_matcher(r: &mut Reader<'_>, proto: &matchers::MetadataMatcher) -> Read<MetadataMatcher> {
    let matchers::MetadataMatcher { filter, path, value, invert } = proto;
    if path.is_empty() {
        return Err(r.refuse("path must not be empty"));
    }
    Ok(MetadataMatcher {
        filter: r.text("filter", filter)?.into(),
        path: r.each("path", path, |r, segment| {
            let matchers::metadata_matcher::PathSegment { segment } = segment;
            match segment {
                Some(matchers::metadata_matcher::path_segment::Segment::Key(key)) => {
                    Ok(r.text("key", key)?.into())
                }
                None => Err(r.refuse("key is required")),
            }
        })?,
        value: r.need("value", value.as_ref(), value_matcher)?,
        invert: *invert,
    })
}

/// Reads a test of a string, or of one element of a list of strings.
fn value_matcher(r: &mut Reader<'_>, proto: &matchers::ValueMatcher) -> Read<StringMatcher> {
    let matchers::ValueMatcher { match_pattern } = proto;
    match match_pattern {
        Some(MatchPattern::StringMatch(text)) => r.within("string_match", |r| matcher::string(r, text)),
        Some(MatchPattern::ListMatch(list)) => r.within("list_match", |r| {
            let matchers::ListMatcher { match_pattern } = &**list;
            match match_pattern {
                Some(matchers::list_matcher::MatchPattern::OneOf(one)) => {
                    r.within("one_of", |r| value_matcher(r, one))
                }
                None => Err(r.refuse("one_of is required")),
            }
        }),
        _ => Err(r.refuse("only tests of strings and of lists of strings are implemented")),
    }
}

fn filter_state(r: &mut Reader<'_>, proto: &matchers::FilterStateMatcher) -> Read<Principal> {
    let matchers::FilterStateMatcher { key, matcher: test } = proto;
    match test {
        Some(matchers::filter_state_matcher::Matcher::StringMatch(text)) => Ok(Principal::FilterState(
            r.text("key", key)?.into(),
            r.within("string_match", |r| matcher::string(r, text))?,
        )),
        Some(matchers::filter_state_matcher::Matcher::AddressMatch(_)) => {
            Err(r.refuse_at("address_match", "not implemented"))
        }
        None => Err(r.refuse("a matcher is required")),
    }
}
