//! What a schema cannot say: whether the fields of one object make sense together.
//!
//! Checks see one object alone. Whether the hosts, subsets and gateways that it names exist depends on
//! other objects, and is no error of this one.

mod address;
mod authorization_policy;
mod connection_pool;
mod destination;
mod destination_rule;
mod gateway;
mod header;
mod host;
mod http_match;
mod http_route;
mod label;
mod load_balancer;
mod peer_authentication;
mod protocol;
mod reference;
mod service;
mod service_entry;
mod sidecar;
mod tls;
mod traffic_policy;
mod virtual_service;

use crate::diagnostic::Code;
use crate::object::{Object, Spec};
use crate::report::Report;

/// Checks an object whose fields were read without an error.
pub(crate) fn object(object: &Object, r: &mut Report) {
    r.within("metadata", |r| r.within("labels", |r| label::labels(r, &object.meta.labels)));
    r.within("spec", |r| match &object.spec {
        Spec::VirtualService(spec) => virtual_service::check(r, spec),
        Spec::DestinationRule(spec) => destination_rule::check(r, spec),
        Spec::Gateway(spec) => gateway::check(r, spec),
        Spec::ServiceEntry(spec) => service_entry::check(r, spec),
        Spec::WorkloadEntry(spec) => service_entry::check_workload(r, spec),
        Spec::Sidecar(spec) => sidecar::check(r, spec),
        Spec::PeerAuthentication(spec) => peer_authentication::check(r, spec),
        Spec::AuthorizationPolicy(spec) => authorization_policy::check(r, spec),
        Spec::Service(service) => service::check(r, &service.spec),
        // The API server has checked what it holds; of these a mesh needs nothing more.
        Spec::Namespace(_)
        | Spec::Node(_)
        | Spec::Pod(_)
        | Spec::Deployment(_)
        | Spec::ServiceAccount(_)
        | Spec::EndpointSlice(_) => {}
    });
}

/// Checks the number of entries of the part at hand.
fn at_most(r: &mut Report, found: usize, most: usize, what: &str) {
    if found > most {
        r.error(Code::OutOfBounds, format!("{found} {what}, more than {most}"));
    }
}

/// Checks the length of a text, in characters as the schemas count.
fn length(r: &mut Report, text: &str, most: usize) {
    let found = text.chars().count();
    at_most(r, found, most, "characters");
}

/// Checks that a number is within bounds.
fn bounds<N: Copy + PartialOrd + std::fmt::Display>(r: &mut Report, number: N, least: N, most: N) {
    if !(number >= least && number <= most) {
        r.error(Code::OutOfBounds, format!("{number} is outside of {least}..={most}"));
    }
}

/// Checks that a regular expression compiles, by the compiler that will run it.
fn regex(r: &mut Report, expression: &str) {
    if let Err(error) = weft_match::re2::full_match(expression) {
        // The compiler draws its message over several lines; its last one is the cause.
        let error = error.to_string();
        let cause = error.lines().last().unwrap_or_default().trim().trim_start_matches("error: ");
        let shown = crate::decode::shorten(expression);
        r.error(Code::Regex, format!("{shown:?} does not compile: {cause}"));
    }
}

/// Names of the fields that are set.
fn set(fields: &[(&'static str, bool)]) -> Vec<&'static str> {
    fields.iter().filter(|(_, set)| *set).map(|(name, _)| *name).collect()
}

/// Checks that at most one of some fields is set.
fn exclusive(r: &mut Report, fields: &[(&'static str, bool)]) {
    let set = set(fields);
    if set.len() > 1 {
        r.error(Code::Exclusive, format!("only one of {} may be set", set.join(", ")));
    }
}
