//! Names of protocols.

use crate::decode::{nearest, shorten};
use crate::diagnostic::Code;
use crate::report::Report;

/// Protocols of services (Istio's list), in upper case.
const KNOWN: &[&str] = &[
    "HTTP",
    "HTTP2",
    "HTTPS",
    "GRPC",
    "GRPC-WEB",
    "TCP",
    "TLS",
    "UDP",
    "MONGO",
    "MYSQL",
    "REDIS",
    "HBONE",
    "HTTP_PROXY",
    "DOUBLE_HBONE",
];

/// Protocols that a gateway can open a port for.
const OF_GATEWAYS: &[&str] = &["HTTP", "HTTPS", "GRPC", "GRPC-WEB", "HTTP2", "MONGO", "TCP", "TLS", "HBONE"];

/// Checks the protocol of a service's port.
pub(super) fn of_service(r: &mut Report, protocol: &str) {
    check(r, protocol, KNOWN);
}

/// Checks the protocol of a gateway's port.
pub(super) fn of_gateway(r: &mut Report, protocol: &str) {
    check(r, protocol, OF_GATEWAYS);
}

fn check(r: &mut Report, protocol: &str, known: &[&'static str]) {
    if known.iter().any(|known| known.eq_ignore_ascii_case(protocol)) {
        return;
    }
    let hint = match nearest(protocol, known.iter().copied()) {
        Some(name) => format!("did you mean {name}?"),
        None => format!("one of {}", known.join(", ")),
    };
    r.error_with_hint(Code::Protocol, format!("{:?} is not a protocol", shorten(protocol)), hint);
}
