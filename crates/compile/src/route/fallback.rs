//! Routes where no rule speaks: a service's own, and those for unknown hosts (VS-28, SD-06).

use weft_model::mesh::OutboundMode;
use weft_model::service::Service;
use weft_proto::envoy::config::route::v3::route::Action;
use weft_proto::envoy::config::route::v3::{Route, VirtualHost};

use super::destination::Target;
use super::{answer, forward, matches, rule};
use crate::cluster::name::PASSTHROUGH;
use crate::provenance;
use crate::view::View;

/// What calls get that may not go anywhere.
const BAD_GATEWAY: u32 = 502;
/// The port of an egress proxy that names none.
const HTTP_PORT: u16 = 80;

/// The route to all endpoints of a service's port.
pub(super) fn of_service(view: &View<'_>, service: &Service, port: u16) -> Route {
    let target = Target::new(view, &service.host, "", port);
    let forward = forward::of_target(view, &target);
    let criteria = matches::everything();
    Route {
        name: "default".to_owned(),
        decorator: Some(rule::decorator(&service.host, port, &criteria)),
        r#match: Some(criteria),
        metadata: Some(provenance::of_route(&service.object, "spec.ports")),
        typed_per_filter_config: forward.per_filter,
        request_headers_to_remove: forward.remove,
        action: Some(Action::Route(forward.action)),
        ..Default::default()
    }
}

/// Where calls to unknown hosts go instead of out by themselves (SC-05).
pub(crate) fn egress_proxy<'v>(view: &'v View<'_>) -> Option<Target<'v>> {
    let to = view.scope.as_ref()?.egress_proxy.as_ref()?;
    Some(Target::of(view, to, HTTP_PORT))
}

/// The host that takes all requests no other takes. `chosen`: the proxy knows which address was called.
pub(super) fn any(view: &View<'_>, chosen: bool) -> VirtualHost {
    let passthrough = || {
        let cluster = PASSTHROUGH.to_owned();
        Target { cluster, port: 0, hash: None, foreign_tls: false, external: true }
    };
    let allowed = view.outbound_mode() == OutboundMode::AllowAny;
    let target = egress_proxy(view).or_else(|| chosen.then(passthrough)).filter(|_| allowed);
    let (name, action, remove) = if let Some(target) = target {
        let mut forward = forward::of_target(view, &target);
        // Nobody knows whether what is out there may be asked twice.
        forward.action.retry_policy = None;
        ("allow_any", Action::Route(forward.action), forward.remove)
    } else {
        ("block_all", answer::status(BAD_GATEWAY, None), Vec::new())
    };
    VirtualHost {
        name: name.to_owned(),
        domains: vec!["*".to_owned()],
        routes: vec![Route {
            name: name.to_owned(),
            r#match: Some(matches::everything()),
            request_headers_to_remove: remove,
            action: Some(action),
            ..Default::default()
        }],
        include_request_attempt_count: true,
        ..Default::default()
    }
}
