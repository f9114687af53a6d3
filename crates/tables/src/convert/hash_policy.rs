//! What a request's hash is made from.

use super::headers;
use super::reader::{Read, Reader};
use super::unset::refuse_set;
use crate::pb::envoy::config::route::v3::route_action::{self, hash_policy as proto};
use crate::route::HashPolicy;
use proto::PolicySpecifier;

/// Reads a hash policy; `None`: one that asks for nothing.
pub(crate) fn read(r: &mut Reader<'_>, proto: &route_action::HashPolicy) -> Read<Option<HashPolicy>> {
    let route_action::HashPolicy { terminal, policy_specifier } = proto;
    match policy_specifier {
        Some(PolicySpecifier::Header(header)) => r.within("header", |r| {
            let proto::Header { header_name, regex_rewrite } = header;
            refuse_set!(r, "not implemented", regex_rewrite);
            Ok(Some(HashPolicy::Header(headers::field_name(r, "header_name", header_name)?, *terminal)))
        }),
        Some(PolicySpecifier::Cookie(cookie)) => r.within("cookie", |r| {
            let proto::Cookie { name, ttl, path, attributes } = cookie;
            refuse_set!(r, "not implemented", attributes);
            Ok(Some(HashPolicy::Cookie {
                name: r.text("name", name)?.into(),
                ttl: r.duration("ttl", ttl.as_ref())?,
                path: path.as_str().into(),
                terminal: *terminal,
            }))
        }),
        Some(PolicySpecifier::ConnectionProperties(proto::ConnectionProperties { source_ip })) => {
            Ok(source_ip.then_some(HashPolicy::SourceIp(*terminal)))
        }
        Some(PolicySpecifier::QueryParameter(proto::QueryParameter { name })) => r
            .within("query_parameter", |r| {
                Ok(Some(HashPolicy::Query(r.text("name", name)?.into(), *terminal)))
            }),
        Some(PolicySpecifier::FilterState(proto::FilterState { key: _ })) => {
            Err(r.refuse_at("filter_state", "not implemented"))
        }
        None => Err(r.refuse("a hash policy needs a specifier")),
    }
}
