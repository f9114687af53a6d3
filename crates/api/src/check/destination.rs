//! Destinations and their weights.

use super::host::{self, Form};
use crate::diagnostic::Code;
use crate::istio::virtual_service::{Destination, RouteDestination};
use crate::report::Report;
use crate::value::name;

/// Checks a destination.
pub(super) fn check(r: &mut Report, destination: &Destination) {
    let Destination { host, subset, port } = destination;
    r.within("host", |r| host::check(r, host, Form::NameOrAddress));
    r.maybe("subset", subset.as_ref(), |r, subset| subset_name(r, subset));
    r.maybe("port", port.as_ref(), |r, port| {
        if port.number.is_none() {
            r.error(Code::Port, "a port needs its number");
        }
    });
}

/// Checks the name of a subset, which becomes a part of a cluster's name.
pub(super) fn subset_name(r: &mut Report, subset: &str) {
    if !name::is_label(&subset.to_ascii_lowercase()) {
        r.error(Code::Subset, name::not_a_name(subset));
    }
}

/// Checks the destinations of a TLS or TCP rule.
pub(super) fn routes(r: &mut Report, routes: &[RouteDestination]) {
    if routes.is_empty() {
        r.error_at("route", Code::Route, "a rule needs a destination");
    }
    r.each("route", routes, |r, route| r.within("destination", |r| check(r, &route.destination)));
    weights(r, routes.iter().map(|route| route.weight));
}

/// Checks weights in `route`: none negative, and of several together more than 0 and no more than a
/// 32-bit number holds, as Envoy sums them.
pub(super) fn weights(r: &mut Report, weights: impl ExactSizeIterator<Item = i32>) {
    let several = weights.len() > 1;
    let (mut sum, mut negative) = (0u64, false);
    r.within("route", |r| {
        for (index, weight) in weights.enumerate() {
            match u64::try_from(weight) {
                Ok(weight) => sum = sum.saturating_add(weight),
                Err(_) => {
                    negative = true;
                    r.index(index, |r| r.error_at("weight", Code::Weight, format!("{weight} is negative")));
                }
            }
        }
        if several && sum == 0 && !negative {
            r.error(Code::Weight, "the weights sum to 0, so no destination gets anything");
        }
        if sum > u64::from(u32::MAX) {
            r.error(Code::Weight, format!("the weights sum to {sum}, more than {}", u32::MAX));
        }
    });
}
