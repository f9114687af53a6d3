//! One value of one attribute, as Envoy's RBAC tests it.

use std::net::IpAddr;

use weft_proto::envoy::config::core::v3::{CidrRange, TypedExtensionConfig};
use weft_proto::envoy::config::rbac::v3::permission::Rule;
use weft_proto::envoy::config::rbac::v3::principal::{Authenticated, Identifier};
use weft_proto::envoy::config::rbac::v3::{Permission, Principal};
use weft_proto::envoy::config::route::v3::header_matcher::HeaderMatchSpecifier;
use weft_proto::envoy::extensions::path::r#match::uri_template::v3::UriTemplateMatchConfig;
use weft_proto::envoy::r#type::matcher::v3::{PathMatcher, StringMatcher, path_matcher};
use weft_proto::google::protobuf::UInt32Value;

use super::attribute::{Attribute, Side};
use super::logic::{permission, principal};
use super::rule::Ground;
use super::text::{self, Text};
use super::token::{claim, filter_metadata, request_principal};

/// How identities of the mesh begin.
const SPIFFE: &str = "spiffe://";

/// A test, on the side that it is of.
#[derive(Debug)]
pub(super) enum Atom {
    /// What is called.
    Operation(Permission),
    /// Who calls.
    Source(Principal),
}

/// A part of a rule that cannot be expressed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// Only HTTP has the attribute.
    #[error("connections without HTTP have no {0}")]
    OfRequests(String),
    /// Not an address or range.
    #[error("{0:?} is not an IP address or range")]
    Address(String),
    /// Not a port.
    #[error("{0:?} is not a port")]
    Port(String),
    /// Not a template of a path.
    #[error(
        "{0:?} is not a template of a path: {{*}} and, after them, one {{**}} stand alone between slashes"
    )]
    Template(String),
    /// Not a service account.
    #[error("{0:?} is not a service account")]
    ServiceAccount(String),
}

/// The tests of a value, of which any must hold; none on the other side.
pub(super) fn side<L: Side>(
    ground: Ground<'_>,
    attribute: Attribute<'_>,
    value: &str,
) -> Result<Vec<L>, Unusable> {
    if ground.tcp && attribute.is_of_requests() {
        return Err(Unusable::OfRequests(attribute.to_string()));
    }
    Ok(atoms(ground, attribute, value)?.into_iter().filter_map(L::of).collect())
}

fn atoms(ground: Ground<'_>, attribute: Attribute<'_>, value: &str) -> Result<Vec<Atom>, Unusable> {
    let source = |identifier| vec![Atom::Source(principal(identifier))];
    let operation = |rule| vec![Atom::Operation(permission(rule))];
    Ok(match attribute {
        Attribute::Principal => ground.domains.expand(value).iter().map(|one| by_principal(one)).collect(),
        Attribute::Namespace => vec![authenticated(namespace(value))],
        Attribute::ServiceAccount => {
            vec![authenticated(text::suffix(&service_account(ground.namespace, value)?))]
        }
        Attribute::TrustDomain => vec![authenticated(trust_domain(value))],
        Attribute::SourceIp => source(Identifier::DirectRemoteIp(range(value)?)),
        Attribute::RemoteIp => source(Identifier::RemoteIp(range(value)?)),
        Attribute::RequestPrincipal => vec![Atom::Source(request_principal(value))],
        Attribute::Audiences => vec![Atom::Source(claim(&["aud"], value))],
        Attribute::Presenter => vec![Atom::Source(claim(&["azp"], value))],
        Attribute::Claim(path) => {
            let names: Vec<&str> = path.split(['[', ']']).filter(|name| !name.is_empty()).collect();
            vec![Atom::Source(claim(&names, value))]
        }
        Attribute::Header(name) => source(Identifier::Header(Text::parse(value).header(name))),
        Attribute::Host => hosts(value).map(|test| Atom::Operation(permission(test))).collect(),
        Attribute::Method => operation(Rule::Header(Text::parse(value).header(":method"))),
        Attribute::Path => operation(path(value)?),
        Attribute::Port => operation(Rule::DestinationPort(port(value)?.into())),
        Attribute::DestinationIp => operation(Rule::DestinationIp(range(value)?)),
        Attribute::Sni => operation(Rule::RequestedServerName(Text::parse(value).matcher())),
        Attribute::Metadata(key) => operation(Rule::SourcedMetadata(filter_metadata(key, value))),
    })
}

/// The identity in the client's certificate.
fn authenticated(name: StringMatcher) -> Atom {
    Atom::Source(principal(Identifier::Authenticated(Authenticated { principal_name: Some(name) })))
}

fn by_principal(value: &str) -> Atom {
    authenticated(match Text::parse(value) {
        Text::Present => text::present(),
        Text::Exact(name) => text::exact(&format!("{SPIFFE}{name}")),
        Text::Prefix(start) => text::prefix(format!("{SPIFFE}{start}")),
        Text::Suffix(end) => text::suffix(end),
    })
}

/// Identities are `spiffe://DOMAIN/ns/NAMESPACE/sa/ACCOUNT`, and no part of one holds a slash.
fn namespace(value: &str) -> StringMatcher {
    match Text::parse(value) {
        Text::Present => text::contains("/ns/".to_owned()),
        Text::Exact(name) => text::contains(format!("/ns/{name}/")),
        Text::Prefix(start) => text::contains(format!("/ns/{start}")),
        Text::Suffix(end) => text::contains(format!("{end}/sa/")),
    }
}

fn trust_domain(value: &str) -> StringMatcher {
    match Text::parse(value) {
        Text::Present => text::prefix(SPIFFE.to_owned()),
        Text::Exact(name) => text::prefix(format!("{SPIFFE}{name}/")),
        Text::Prefix(start) => text::prefix(format!("{SPIFFE}{start}")),
        Text::Suffix(end) => text::contains(format!("{end}/ns/")),
    }
}

fn service_account(namespace: &str, value: &str) -> Result<String, Unusable> {
    let (namespace, account) = value.split_once('/').unwrap_or((namespace, value));
    if namespace.is_empty() || account.is_empty() || account.contains('/') {
        return Err(Unusable::ServiceAccount(value.to_owned()));
    }
    Ok(format!("/ns/{namespace}/sa/{account}"))
}

/// Hosts match in any case; one without a port matches with any (AP-04).
fn hosts(value: &str) -> impl Iterator<Item = Rule> {
    let folded = |mut matcher: StringMatcher| {
        matcher.ignore_case = true;
        Rule::Header(text::header(":authority", HeaderMatchSpecifier::StringMatch(matcher)))
    };
    let bare = |host: &str| !host.contains(':');
    let (first, second) = match Text::parse(value) {
        Text::Present => (Rule::Header(Text::Present.header(":authority")), None),
        Text::Exact(host) if bare(host) => {
            (folded(text::exact(host)), Some(folded(text::prefix(format!("{host}:")))))
        }
        Text::Suffix(end) if bare(end) && !end.is_empty() => {
            (folded(text::suffix(end)), Some(folded(text::contains(format!("{end}:")))))
        }
        other => (folded(other.matcher()), None),
    };
    std::iter::once(first).chain(second)
}

/// The path without its query; `{*}` is one segment, `{**}` any number.
fn path(value: &str) -> Result<Rule, Unusable> {
    if value.contains(['{', '}']) {
        let config = UriTemplateMatchConfig { path_template: template(value)? };
        return Ok(Rule::UriTemplate(TypedExtensionConfig {
            name: "uri-template".to_owned(),
            typed_config: Some(weft_proto::any::pack(&config)),
        }));
    }
    let path = path_matcher::Rule::Path(Text::parse(value).matcher());
    Ok(Rule::UrlPath(PathMatcher { rule: Some(path) }))
}

/// Envoy's form of a template. It must be one: Envoy does not refuse others here, it ends.
fn template(value: &str) -> Result<String, Unusable> {
    let bad = || Unusable::Template(value.to_owned());
    let literal = |segment: &str| {
        !segment.is_empty()
            && segment.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~%!$&'()+,;:@=".contains(&b))
    };
    let mut template = String::with_capacity(value.len());
    let mut segments = value.strip_prefix('/').ok_or_else(bad)?.split('/').peekable();
    let mut ended = false;
    while let Some(segment) = segments.next() {
        template.push('/');
        template.push_str(match segment {
            "{*}" if !ended => "*",
            "{**}" if !ended => {
                ended = true;
                "**"
            }
            "" if segments.peek().is_none() => "",
            segment if literal(segment) => segment,
            _ => return Err(bad()),
        });
    }
    Ok(template)
}

fn port(value: &str) -> Result<u16, Unusable> {
    value.parse().ok().filter(|port| *port != 0).ok_or_else(|| Unusable::Port(value.to_owned()))
}

fn range(value: &str) -> Result<CidrRange, Unusable> {
    let bad = || Unusable::Address(value.to_owned());
    let (address, length) = match value.split_once('/') {
        Some((address, length)) => (address, Some(length.parse::<u8>().map_err(|_| bad())?)),
        None => (value, None),
    };
    let address: IpAddr = address.parse().map_err(|_| bad())?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    let length = length.unwrap_or(most);
    if length > most {
        return Err(bad());
    }
    let prefix_len = Some(UInt32Value { value: length.into() });
    Ok(CidrRange { address_prefix: address.to_string(), prefix_len })
}
