//! The criteria of a route.

use weft_types::FractionalPercent;

use super::reader::{Read, Reader, bool_or, holds};
use super::unset::refuse_set;
use super::{matcher, path_template, share};
use crate::pb::envoy::config::route::v3::{self as proto, route_match::PathSpecifier};
use crate::pb::envoy::extensions::path::r#match::uri_template::v3::UriTemplateMatchConfig;
use crate::route::{PathMatcher, RouteMatch, TlsContextMatch};

/// Reads the criteria of a route.
pub(crate) fn read(r: &mut Reader<'_>, proto: &proto::RouteMatch) -> Read<RouteMatch> {
    let proto::RouteMatch {
        case_sensitive,
        runtime_fraction,
        headers,
        query_parameters,
        cookies,
        grpc,
        tls_context,
        dynamic_metadata,
        filter_state,
        path_specifier,
    } = proto;
    refuse_set!(r, "not implemented", cookies, dynamic_metadata, filter_state);
    let headers = r.each("headers", headers, matcher::header);
    let query = r.each("query_parameters", query_parameters, matcher::query);
    Ok(RouteMatch {
        path: path(r, path_specifier.as_ref())?,
        case_sensitive: bool_or(case_sensitive.as_ref(), true),
        headers: headers?,
        query: query?,
        runtime_fraction: r.maybe("runtime_fraction", runtime_fraction.as_ref(), |r, fraction| {
            if fraction.default_value.is_none() {
                return Err(r.refuse("default_value is required"));
            }
            share::runtime_fraction(r, fraction, FractionalPercent::ALWAYS)
        })?,
        grpc: grpc.as_ref().is_some_and(|proto::route_match::GrpcRouteMatchOptions {}| true),
        tls: tls_context.as_ref().map(|options| {
            let proto::route_match::TlsContextMatchOptions { presented, validated } = options;
            TlsContextMatch {
                presented: presented.as_ref().map(|v| v.value),
                validated: validated.as_ref().map(|v| v.value),
            }
        }),
    })
}

fn path(r: &mut Reader<'_>, specifier: Option<&PathSpecifier>) -> Read<PathMatcher> {
    match specifier {
        Some(PathSpecifier::Prefix(prefix)) => Ok(PathMatcher::Prefix(prefix.as_str().into())),
        Some(PathSpecifier::Path(path)) => Ok(PathMatcher::Exact(path.as_str().into())),
        Some(PathSpecifier::SafeRegex(regex)) => {
            r.within("safe_regex", |r| matcher::full_regex(r, regex)).map(PathMatcher::Regex)
        }
        Some(PathSpecifier::ConnectMatcher(proto::route_match::ConnectMatcher {})) => {
            Ok(PathMatcher::Connect)
        }
        Some(PathSpecifier::PathSeparatedPrefix(prefix)) => {
            let bare = prefix.len() >= 2 && !prefix.ends_with('/') && !prefix.contains(['?', '#']);
            if !bare {
                return Err(r.refuse_at(
                    "path_separated_prefix",
                    "must have two characters or more, no ? or #, and no / at its end",
                ));
            }
            Ok(PathMatcher::PathSeparatedPrefix(prefix.as_str().into()))
        }
        Some(PathSpecifier::PathMatchPolicy(extension)) => {
            r.within("path_match_policy", |r| match extension.typed_config.as_ref() {
                Some(any) if holds::<UriTemplateMatchConfig>(any) => r.within("typed_config", |r| {
                    r.unpack(any, |r, UriTemplateMatchConfig { path_template: template }| {
                        let regex = path_template::expression(template)
                            .and_then(|text| weft_match::string::full_match(&text).ok());
                        match regex {
                            Some(regex) => Ok(PathMatcher::Template(template.as_str().into(), regex)),
                            None => Err(r.refuse_at("path_template", "not a valid path template")),
                        }
                    })
                }),
                _ => Err(r.refuse("only the URI template matcher is implemented")),
            })
        }
        None => Err(r.refuse("a route needs a path specifier")),
    }
}
