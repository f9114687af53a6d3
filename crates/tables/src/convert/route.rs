//! Routes.

use super::headers::{self, Lists};
use super::reader::{Read, Reader};
use super::unset::{ignore_set, refuse_set};
use super::{metadata, per_route, redirect, route_action, route_match, source, virtual_host};
use crate::pb::envoy::config::route::v3::{self as proto, route::Action as ProtoAction};
use crate::route::{Action, Route};

/// Reads a route.
pub(crate) fn read(r: &mut Reader<'_>, proto: &proto::Route, max_direct: u32) -> Read<Route> {
    let proto::Route {
        name,
        r#match,
        metadata,
        decorator,
        typed_per_filter_config,
        request_headers_to_add,
        request_headers_to_remove,
        response_headers_to_add,
        response_headers_to_remove,
        tracing,
        per_request_buffer_limit_bytes,
        stat_prefix,
        request_body_buffer_limit,
        route_specifiers,
        action,
    } = proto;
    refuse_set!(r, "not implemented", route_specifiers);
    ignore_set!(r, "spans are not named by routes", decorator, tracing);
    let mut per_filter = per_route::read(r, typed_per_filter_config)?;
    let action = match action {
        Some(ProtoAction::Route(forward)) => {
            r.within("route", |r| route_action::read(r, forward, &mut per_filter)).map(Action::Forward)
        }
        Some(ProtoAction::Redirect(redirect)) => {
            r.within("redirect", |r| redirect::read(r, redirect)).map(|p| Action::Redirect(Box::new(p)))
        }
        Some(ProtoAction::DirectResponse(direct)) => {
            r.within("direct_response", |r| direct_response(r, direct, max_direct))
        }
        Some(ProtoAction::FilterAction(_)) => Err(r.refuse_at("filter_action", "not implemented")),
        Some(ProtoAction::NonForwardingAction(proto::NonForwardingAction {})) => Ok(Action::NonForwarding),
        None => Err(r.refuse("a route needs an action")),
    };
    let matches = r.need("match", r#match.as_ref(), route_match::read);
    let (metadata, provenance) = metadata::read(r, metadata.as_ref());
    Ok(Route {
        name: name.as_str().into(),
        matches: matches?,
        action: action?,
        headers: headers::rules(
            r,
            &Lists {
                request_headers_to_add,
                request_headers_to_remove,
                response_headers_to_add,
                response_headers_to_remove,
            },
        )?,
        per_filter,
        metadata,
        stat_prefix: stat_prefix.as_str().into(),
        request_body_buffer_limit: virtual_host::buffer_limit(
            r,
            per_request_buffer_limit_bytes.as_ref(),
            request_body_buffer_limit.as_ref(),
        )?,
        provenance,
    })
}

fn direct_response(r: &mut Reader<'_>, proto: &proto::DirectResponseAction, max: u32) -> Read<Action> {
    let proto::DirectResponseAction { status, body, body_format } = proto;
    refuse_set!(r, "not implemented", body_format);
    let code = u16::try_from(*status)
        .ok()
        .filter(|s| (200..600).contains(s))
        .ok_or_else(|| r.refuse_at("status", format!("{status} is outside 200..=599")))?;
    let body = r.maybe("body", body.as_ref(), |r, body| {
        let bytes = source::bytes(r, body)?;
        if bytes.len() as u64 > u64::from(max) {
            return Err(r.refuse(format!("{} bytes are more than the limit of {max}", bytes.len())));
        }
        Ok(bytes)
    })?;
    Ok(Action::Direct { status: code, body: body.unwrap_or_default().into() })
}
