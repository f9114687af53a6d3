//! Redirects.

use super::reader::{Read, Reader};
use super::{headers, matcher};
use crate::pb::envoy::config::route::v3::{self as proto, redirect_action as redirect};
use crate::route::{Redirect, RedirectPath};
use redirect::{PathRewriteSpecifier, RedirectResponseCode, SchemeRewriteSpecifier};

/// Reads a redirect.
pub(crate) fn read(r: &mut Reader<'_>, proto: &proto::RedirectAction) -> Read<Redirect> {
    let proto::RedirectAction {
        host_redirect,
        port_redirect,
        response_code,
        strip_query,
        scheme_rewrite_specifier,
        path_rewrite_specifier,
    } = proto;
    headers::check_value(r, "host_redirect", host_redirect)?;
    let path = match path_rewrite_specifier {
        None => RedirectPath::Keep,
        Some(PathRewriteSpecifier::PathRedirect(path)) => {
            headers::check_value(r, "path_redirect", path)?;
            if path.is_empty() { RedirectPath::Keep } else { RedirectPath::Replace(path.as_str().into()) }
        }
        Some(PathRewriteSpecifier::PrefixRewrite(prefix)) => {
            headers::check_value(r, "prefix_rewrite", prefix)?;
            RedirectPath::Prefix(prefix.as_str().into())
        }
        Some(PathRewriteSpecifier::RegexRewrite(rewrite)) => {
            let (regex, to) = r.within("regex_rewrite", |r| matcher::rewrite(r, rewrite))?;
            RedirectPath::Regex(regex, to)
        }
        Some(PathRewriteSpecifier::PathRewrite(_)) => {
            return Err(r.refuse_at("path_rewrite", "not implemented"));
        }
    };
    Ok(Redirect {
        status: match r.choice("response_code", *response_code)? {
            RedirectResponseCode::MovedPermanently => 301,
            RedirectResponseCode::Found => 302,
            RedirectResponseCode::SeeOther => 303,
            RedirectResponseCode::TemporaryRedirect => 307,
            RedirectResponseCode::PermanentRedirect => 308,
        },
        scheme: match scheme_rewrite_specifier {
            Some(SchemeRewriteSpecifier::HttpsRedirect(true)) => Some("https".into()),
            Some(SchemeRewriteSpecifier::SchemeRedirect(scheme)) if !scheme.is_empty() => {
                headers::check_value(r, "scheme_redirect", scheme)?;
                Some(scheme.as_str().into())
            }
            _ => None,
        },
        host: Some(host_redirect).filter(|h| !h.is_empty()).map(|h| h.as_str().into()),
        port: match *port_redirect {
            0 => None,
            port => Some(r.port("port_redirect", port)?),
        },
        path,
        strip_query: *strip_query,
    })
}
