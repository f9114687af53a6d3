//! Sidecar (SC rows).

use std::collections::BTreeSet;

use super::{address, connection_pool, destination, label, protocol, reference, tls};
use crate::diagnostic::Code;
use crate::istio::Sidecar;
use crate::istio::gateway::{ServerTls, ServerTlsMode};
use crate::istio::sidecar::{CaptureMode, EgressListener, IngressListener, OutboundMode, SidecarPort};
use crate::report::Report;

pub(super) fn check(r: &mut Report, spec: &Sidecar) {
    let Sidecar { workload_selector, ingress, egress, inbound_connection_pool, outbound_traffic_policy } =
        spec;
    r.maybe("workloadSelector", workload_selector.as_ref(), label::workloads);
    if workload_selector.is_none() && !ingress.is_empty() {
        r.error_at("ingress", Code::Selector, "ports of a workload need a workloadSelector");
    }
    let mut ports = BTreeSet::new();
    r.each("ingress", ingress, |r, listener| {
        let number = listener.port.as_ref().and_then(|port| port.number);
        if let Some(number) = number
            && !ports.insert((&listener.bind, number))
        {
            r.error_at("port", Code::Port, format!("port {number} is opened twice"));
        }
        check_ingress(r, listener);
    });
    let last = egress.len().saturating_sub(1);
    r.within("egress", |r| {
        for (index, listener) in egress.iter().enumerate() {
            r.index(index, |r| check_egress(r, listener, index == last));
        }
    });
    r.maybe("inboundConnectionPool", inbound_connection_pool.as_ref(), connection_pool::check);
    r.maybe("outboundTrafficPolicy", outbound_traffic_policy.as_ref(), |r, policy| {
        if policy.mode == OutboundMode::RegistryOnly && policy.egress_proxy.is_some() {
            r.error_at("egressProxy", Code::Exclusive, "needs mode ALLOW_ANY");
        }
        r.maybe("egressProxy", policy.egress_proxy.as_ref(), destination::check);
    });
}

fn check_port(r: &mut Report, port: &SidecarPort) {
    if port.number.is_none() {
        r.error_at("number", Code::MissingField, "required, but missing");
    }
    r.maybe("protocol", port.protocol.as_ref(), |r, protocol| protocol::of_service(r, protocol));
}

fn check_ingress(r: &mut Report, listener: &IngressListener) {
    let IngressListener { port, bind, capture_mode: _, default_endpoint, tls, connection_pool } = listener;
    r.maybe("port", port.as_ref(), check_port);
    r.maybe("bind", bind.as_ref(), |r, bind| address::address(r, bind));
    r.maybe("defaultEndpoint", default_endpoint.as_ref(), |r, text| address::application(r, text));
    r.maybe("connectionPool", connection_pool.as_ref(), connection_pool::check);
    r.maybe("tls", tls.as_ref(), check_tls);
}

fn check_tls(r: &mut Report, tls: &ServerTls) {
    if !matches!(tls.mode, ServerTlsMode::Simple | ServerTlsMode::Mutual) {
        r.error_at("mode", Code::Tls, "only SIMPLE and MUTUAL are possible at a sidecar");
    } else {
        tls::server(r, tls);
    }
    if tls.https_redirect {
        r.error_at("httpsRedirect", Code::Tls, "a sidecar does not redirect");
    }
}

fn check_egress(r: &mut Report, listener: &EgressListener, is_last: bool) {
    let EgressListener { port, bind, capture_mode, hosts } = listener;
    r.maybe("port", port.as_ref(), check_port);
    r.maybe("bind", bind.as_ref(), |r, bind| address::bind(r, bind));
    if port.is_none() {
        if !is_last {
            r.error(Code::Port, "only the last listener may be without port, for all that remain");
        }
        if bind.is_some() {
            r.error_at("bind", Code::Port, "needs port");
        }
        if *capture_mode == CaptureMode::None {
            r.error_at("captureMode", Code::Port, "NONE needs port");
        }
    }
    r.each("hosts", hosts, |r, host| reference::namespaced_host(r, host, true));
}
