//! Routes that forward nothing: redirects (VS-14) and direct responses (VS-15).

use weft_api::istio::http_route::{DirectResponse, HttpRedirect, RedirectPort};
use weft_proto::envoy::config::core::v3::DataSource;
use weft_proto::envoy::config::core::v3::data_source::Specifier;
use weft_proto::envoy::config::route::v3::redirect_action::{
    PathRewriteSpecifier, RedirectResponseCode, SchemeRewriteSpecifier,
};
use weft_proto::envoy::config::route::v3::route::Action;
use weft_proto::envoy::config::route::v3::{DirectResponseAction, RedirectAction};

/// Stands at the front of a URI for the part that a prefix match did not take.
const PREFIX: &str = "%PREFIX()%";

/// A redirect. `port` is where the request came in.
pub(super) fn redirect(rule: &HttpRedirect, port: u16) -> Action {
    let text = |text: &Option<String>| text.clone().filter(|t| !t.is_empty());
    let path = match (text(&rule.uri), text(&rule.prefix_rewrite)) {
        (_, Some(prefix)) => Some(PathRewriteSpecifier::PrefixRewrite(prefix)),
        (Some(uri), None) => Some(match uri.strip_prefix(PREFIX) {
            Some(rest) => PathRewriteSpecifier::PrefixRewrite(rest.to_owned()),
            None => PathRewriteSpecifier::PathRedirect(uri),
        }),
        (None, None) => None,
    };
    let told = rule.port.map(weft_api::value::Port::number);
    let derived = rule.derive_port.filter(|derive| *derive == RedirectPort::FromRequestPort).map(|_| port);
    let code = match rule.redirect_code {
        Some(302) => RedirectResponseCode::Found,
        Some(303) => RedirectResponseCode::SeeOther,
        Some(307) => RedirectResponseCode::TemporaryRedirect,
        Some(308) => RedirectResponseCode::PermanentRedirect,
        _ => RedirectResponseCode::MovedPermanently,
    };
    Action::Redirect(RedirectAction {
        host_redirect: text(&rule.authority).unwrap_or_default(),
        port_redirect: told.or(derived).map_or(0, u32::from),
        response_code: code.into(),
        path_rewrite_specifier: path,
        scheme_rewrite_specifier: text(&rule.scheme).map(SchemeRewriteSpecifier::SchemeRedirect),
        ..Default::default()
    })
}

/// A response without asking anybody.
pub(super) fn direct(rule: &DirectResponse) -> Action {
    let body = rule.body.as_ref().and_then(|body| match (&body.string, &body.bytes) {
        (Some(text), _) => Some(Specifier::InlineString(text.clone())),
        (None, Some(bytes)) => Some(Specifier::InlineBytes(bytes.0.clone())),
        (None, None) => None,
    });
    status(rule.status.unwrap_or_default(), body)
}

/// A status and perhaps a body.
pub(super) fn status(status: u32, body: Option<Specifier>) -> Action {
    Action::DirectResponse(DirectResponseAction {
        status,
        body: body.map(|specifier| DataSource { specifier: Some(specifier), ..Default::default() }),
        ..Default::default()
    })
}
