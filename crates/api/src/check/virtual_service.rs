//! VirtualService (VS rows).

use std::collections::BTreeSet;

use super::host::{self, Form};
use super::{address, destination, http_route, label, reference};
use crate::diagnostic::Code;
use crate::istio::VirtualService;
use crate::istio::virtual_service::{TcpMatch, TcpRoute, TlsMatch, TlsRoute};
use crate::report::Report;

pub(super) fn check(r: &mut Report, spec: &VirtualService) {
    let VirtualService { hosts, gateways, http, tls, tcp, export_to } = spec;
    check_hosts(r, spec);
    reference::gateways(r, gateways);
    reference::export_to(r, export_to);
    if http.is_empty() && tls.is_empty() && tcp.is_empty() {
        r.error(Code::Route, "needs rules in http, tls or tcp");
    }
    let is_delegate = hosts.is_empty();
    r.each("http", http, |r, route| http_route::check(r, route, is_delegate));
    r.each("tls", tls, |r, route| check_tls(r, route, hosts));
    r.each("tcp", tcp, check_tcp);
    unreachable(r, "http", http.iter().map(|route| route.matches.is_empty()));
    unreachable(r, "tcp", tcp.iter().map(|route| route.matches.is_empty()));
}

fn check_hosts(r: &mut Report, spec: &VirtualService) {
    let VirtualService { hosts, gateways, tls, tcp, .. } = spec;
    if hosts.is_empty() {
        // A part that others delegate to (VS-17).
        if !gateways.is_empty() {
            r.error_at(
                "gateways",
                Code::Reference,
                "a VirtualService without hosts takes its root's gateways",
            );
        }
        if !tls.is_empty() || !tcp.is_empty() {
            r.error_at(
                "hosts",
                Code::Host,
                "tls and tcp rules need hosts: only http rules can be delegated to",
            );
        }
    }
    let mut seen = BTreeSet::new();
    r.each("hosts", hosts, |r, host| {
        host::check(r, host, Form::Any);
        if !seen.insert(host.to_ascii_lowercase()) {
            r.error(Code::Host, format!("{host} stands here for the second time"));
        }
        if host == "*" && spec.is_for_mesh() {
            r.error_with_hint(
                Code::Host,
                "* cannot be routed for sidecars",
                "name the hosts, or a gateway in gateways",
            );
        }
    });
}

/// Warns of rules after one that takes everything.
fn unreachable(r: &mut Report, field: &'static str, takes_all: impl ExactSizeIterator<Item = bool>) {
    let last = takes_all.len().saturating_sub(1);
    let mut takes_all = takes_all.enumerate();
    if let Some((index, _)) = takes_all.find(|(_, takes_all)| *takes_all).filter(|(index, _)| *index < last) {
        r.within(field, |r| {
            r.index(index + 1, |r| {
                r.warn(Code::Unreachable, format!("never reached: {field}[{index}] takes everything"));
            });
        });
    }
}

fn check_tls(r: &mut Report, route: &TlsRoute, hosts: &[String]) {
    let TlsRoute { matches, route } = route;
    r.each("match", matches, |r, rule| {
        let TlsMatch { sni_hosts, destination_subnets, port: _, source_labels, gateways, source_namespace } =
            rule;
        r.each("sniHosts", sni_hosts, |r, sni| {
            host::check(r, sni, Form::Wildcard);
            if !hosts.iter().any(|host| host::covers(host, sni)) {
                r.error(Code::Match, format!("{sni} is not of this VirtualService's hosts"));
            }
        });
        address::ranges(r, "destinationSubnets", destination_subnets);
        r.within("sourceLabels", |r| label::labels(r, source_labels));
        reference::gateways(r, gateways);
        reference::namespace(r, "sourceNamespace", source_namespace.as_ref());
    });
    destination::routes(r, route);
}

fn check_tcp(r: &mut Report, route: &TcpRoute) {
    let TcpRoute { matches, route } = route;
    r.each("match", matches, |r, rule| {
        if *rule == TcpMatch::default() {
            r.error_with_hint(
                Code::Match,
                "an empty match says nothing",
                "leave match out to take everything",
            );
        }
        let TcpMatch {
            destination_subnets,
            port: _,
            source_subnet: _,
            source_labels,
            gateways,
            source_namespace,
        } = rule;
        address::ranges(r, "destinationSubnets", destination_subnets);
        r.within("sourceLabels", |r| label::labels(r, source_labels));
        reference::gateways(r, gateways);
        reference::namespace(r, "sourceNamespace", source_namespace.as_ref());
    });
    destination::routes(r, route);
}
