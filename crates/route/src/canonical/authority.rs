//! The authority's canonical form: without trailing dot and port, where the configuration says so.

use weft_tables::hcm::{HttpManager, StripPort};
use weft_types::{Method, RequestHead};

use crate::host::port_start;

/// Normalizes the authority; returns the port that it took off a CONNECT.
pub(super) fn normalize(
    head: &mut RequestHead,
    manager: &HttpManager,
    local_port: Option<u16>,
) -> Option<u32> {
    if manager.strip_trailing_host_dot {
        strip_dot(head);
    }
    if manager.strip_port == StripPort::Keep {
        return None;
    }
    let (host, port) = head.authority.split_at_checked(port_start(&head.authority)?)?;
    let port = port.get(1..)?.parse::<u32>().ok()?;
    if manager.strip_port == StripPort::Matching && local_port.map(u32::from) != Some(port) {
        return None;
    }
    head.authority = host.into();
    (head.method == Method::Connect).then_some(port)
}

/// Removes one dot at the end of the host, before a port or at the end of all.
fn strip_dot(head: &mut RequestHead) {
    let Some((before, after)) = head.authority.rsplit_once('.') else { return };
    if after.is_empty() || after.starts_with(':') {
        head.authority = format!("{before}{after}").into();
    }
}
