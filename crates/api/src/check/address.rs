//! Addresses and ranges.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

use crate::decode::shorten;
use crate::diagnostic::Code;
use crate::report::Report;

/// Checks an address.
pub(super) fn address(r: &mut Report, text: &str) {
    if text.parse::<IpAddr>().is_err() {
        r.error(Code::Address, format!("{:?} is not an IP address", shorten(text)));
    }
}

/// Checks an address or range.
pub(super) fn range(r: &mut Report, text: &str) {
    if text.parse::<IpAddr>().is_err() && text.parse::<IpNet>().is_err() {
        r.error(Code::Address, format!("{:?} is not an IP address or range", shorten(text)));
    }
}

/// Checks a list of addresses and ranges.
pub(super) fn ranges(r: &mut Report, field: &'static str, texts: &[String]) {
    r.each(field, texts, |r, text| range(r, text));
}

/// Checks an address to listen on, or a Unix socket.
pub(super) fn bind(r: &mut Report, text: &str) {
    match text.strip_prefix("unix://") {
        Some(path) => unix(r, path),
        None => address(r, text),
    }
}

/// Checks the path of a Unix socket: absolute, or abstract with `@`.
pub(super) fn unix(r: &mut Report, path: &str) {
    if !path.starts_with(['/', '@']) || path.ends_with('/') {
        r.error(Code::Address, format!("{:?} is not the path of a Unix socket", shorten(path)));
    }
}

/// Checks where a sidecar finds its application: this host by address and port, or a Unix socket.
pub(super) fn application(r: &mut Report, text: &str) {
    if let Some(path) = text.strip_prefix("unix://") {
        return unix(r, path);
    }
    let known = text.parse::<SocketAddr>().is_ok_and(|address| {
        address.port() != 0 && (address.ip().is_loopback() || address.ip().is_unspecified())
    });
    if !known {
        r.error_with_hint(
            Code::Address,
            format!("{:?} is not an endpoint of the workload itself", shorten(text)),
            "write 127.0.0.1:PORT, [::1]:PORT, 0.0.0.0:PORT for the pod's own address, or unix:///PATH",
        );
    }
}
