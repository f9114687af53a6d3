//! ServiceEntry and WorkloadEntry (SE, WE rows).

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::host::{self, Form};
use super::{address, at_most, exclusive, label, length, protocol, reference};
use crate::decode::shorten;
use crate::diagnostic::Code;
use crate::istio::service_entry::{Resolution, ServiceEntry, ServicePort, WorkloadEntry};
use crate::report::Report;

/// Bounds of the schemas.
const MOST_HOSTS: usize = 256;
const MOST_ADDRESSES: usize = 256;
const MOST_PORTS: usize = 256;
const MOST_ENDPOINTS: usize = 4096;
const MOST_ENDPOINT_PORTS: usize = 128;
const MOST_ENDPOINT_LABELS: usize = 256;

pub(super) fn check(r: &mut Report, spec: &ServiceEntry) {
    let ServiceEntry {
        hosts,
        addresses,
        ports,
        location: _,
        resolution,
        endpoints,
        workload_selector,
        export_to,
        subject_alt_names: _,
    } = spec;
    r.within("hosts", |r| at_most(r, hosts.len(), MOST_HOSTS, "hosts"));
    r.each("hosts", hosts, |r, host| {
        host::check(r, host, Form::Wildcard);
        if host == "*" {
            r.error(Code::Host, "* would be every host there is");
        }
    });
    r.within("addresses", |r| at_most(r, addresses.len(), MOST_ADDRESSES, "addresses"));
    r.each("addresses", addresses, |r, text| {
        address::range(r, text);
        if text.contains('/') && !matches!(resolution, Resolution::None | Resolution::Static) {
            r.error(Code::Resolution, format!("a range cannot be resolved by {}", resolution.as_str()));
        }
    });
    check_ports(r, ports);
    r.within("endpoints", |r| at_most(r, endpoints.len(), MOST_ENDPOINTS, "endpoints"));
    r.each("endpoints", endpoints, |r, endpoint| {
        check_workload(r, endpoint);
        r.within("ports", |r| {
            for port in endpoint.ports.keys().filter(|port| ports.iter().all(|known| known.name != **port)) {
                r.key(port, |r| {
                    r.error(Code::Port, format!("the ServiceEntry has no port {:?}", shorten(port)));
                });
            }
        });
    });
    exclusive(r, &[("workloadSelector", workload_selector.is_some()), ("endpoints", !endpoints.is_empty())]);
    r.maybe("workloadSelector", workload_selector.as_ref(), label::workloads);
    reference::export_to(r, export_to);
    check_resolution(r, spec);
}

fn check_ports(r: &mut Report, ports: &[ServicePort]) {
    r.within("ports", |r| at_most(r, ports.len(), MOST_PORTS, "ports"));
    let (mut numbers, mut names) = (BTreeSet::new(), BTreeSet::new());
    r.each("ports", ports, |r, port| {
        let ServicePort { number, name, protocol, target_port: _ } = port;
        if !numbers.insert(*number) {
            r.error_at("number", Code::Port, format!("port {number} stands here for the second time"));
        }
        r.within("name", |r| {
            length(r, name, 256);
            if !names.insert(name) {
                r.error(Code::Port, format!("{name} names two ports"));
            }
        });
        r.maybe("protocol", protocol.as_ref(), |r, protocol| protocol::of_service(r, protocol));
    });
}

/// Checks that endpoints are given as the resolution needs them.
fn check_resolution(r: &mut Report, spec: &ServiceEntry) {
    let ServiceEntry { hosts, endpoints, workload_selector, resolution, .. } = spec;
    let wildcard = hosts.iter().find(|host| host.contains('*'));
    match resolution {
        Resolution::None if !endpoints.is_empty() => {
            r.error_at(
                "endpoints",
                Code::Resolution,
                "resolution NONE goes where the caller asks; use STATIC",
            );
        }
        Resolution::None => {}
        Resolution::Static => {
            if endpoints.is_empty() && workload_selector.is_none() {
                r.error(Code::Resolution, "resolution STATIC needs endpoints or workloadSelector");
            }
            r.each("endpoints", endpoints, |r, endpoint| {
                let known = |text: &str| text.starts_with("unix://") || text.parse::<IpAddr>().is_ok();
                if endpoint.address.as_deref().is_some_and(|text| !known(text)) {
                    r.error_at("address", Code::Resolution, "resolution STATIC needs an IP address; use DNS");
                }
            });
        }
        Resolution::Dns | Resolution::DnsRoundRobin => {
            if let Some(host) = wildcard
                && endpoints.is_empty()
            {
                let message = format!("{host} cannot be resolved; list endpoints, or use DYNAMIC_DNS");
                r.error_at("hosts", Code::Resolution, message);
            }
            if *resolution == Resolution::DnsRoundRobin && endpoints.len() > 1 {
                r.error_at("endpoints", Code::Resolution, "DNS_ROUND_ROBIN takes one endpoint only");
            }
        }
        Resolution::DynamicDns => {
            if !endpoints.is_empty() || workload_selector.is_some() {
                r.error(
                    Code::Resolution,
                    "DYNAMIC_DNS resolves the host that is called; it takes no endpoints",
                );
            }
            if wildcard.is_none() {
                r.error_at("hosts", Code::Resolution, "DYNAMIC_DNS is for hosts with a wildcard; use DNS");
            }
        }
    }
}

/// Checks a workload, alone or as an endpoint.
pub(super) fn check_workload(r: &mut Report, spec: &WorkloadEntry) {
    let WorkloadEntry { address, ports, labels, network, locality, weight: _, service_account } = spec;
    if address.is_none() && network.is_none() {
        r.error(Code::Address, "needs an address, or a network whose gateway is meant");
    }
    r.maybe("address", address.as_ref(), |r, text| {
        length(r, text, 256);
        match text.strip_prefix("unix://") {
            Some(path) => address::unix(r, path),
            None => host::check(r, text, Form::NameOrAddress),
        }
    });
    if address.as_ref().is_some_and(|text| text.starts_with("unix://")) && !ports.is_empty() {
        r.error_at("ports", Code::Port, "a Unix socket has no ports");
    }
    r.within("ports", |r| {
        at_most(r, ports.len(), MOST_ENDPOINT_PORTS, "ports");
        for name in ports.keys().filter(|name| !is_port_name(name)) {
            r.key(name, |r| r.error(Code::Port, format!("{:?} is not a port's name", shorten(name))));
        }
    });
    r.within("labels", |r| {
        at_most(r, labels.len(), MOST_ENDPOINT_LABELS, "labels");
        label::labels(r, labels);
    });
    r.maybe("network", network.as_ref(), |r, text| length(r, text, 2048));
    r.maybe("locality", locality.as_ref(), |r, text| length(r, text, 2048));
    r.maybe("serviceAccount", service_account.as_ref(), |r, text| length(r, text, 253));
}

fn is_port_name(name: &str) -> bool {
    let edge = |byte: Option<u8>| byte.is_some_and(|b| b.is_ascii_alphanumeric());
    name.len() < 63
        && edge(name.bytes().next())
        && edge(name.bytes().next_back())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}
