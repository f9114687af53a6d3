//! What a connection manager adds to and takes from a request before filters see it: hop-by-hop
//! fields, `x-forwarded-*`, `x-envoy-*` of strangers, request id, scheme, `via`.
//!
//! ```text
//! hop by hop ─► client (x-forwarded-for) ─► scheme ─► internal or external ─► request id ─► via
//! ```

use std::net::IpAddr;

use weft_tables::hcm::HttpManager;
use weft_tables::route::RouteConfig;
use weft_types::{Headers, Random, RequestHead, Version};

mod client;
mod hop_by_hop;
mod internal;
mod request_id;

pub use hop_by_hop::{is_upgrade, strip_hop_by_hop};
pub use request_id::uuid;

/// What is known of the connection and of this proxy.
#[derive(Clone, Copy, Debug)]
pub struct Hop<'a> {
    /// The peer's address; `None` on Unix sockets.
    pub remote: Option<IpAddr>,
    /// Our address, as other proxies would see it (added to `x-forwarded-for` for loopback peers).
    pub local: Option<IpAddr>,
    /// Port that the connection came to; `None` on Unix sockets.
    pub port: Option<u16>,
    /// The connection is encrypted.
    pub tls: bool,
    /// `node.id` of the bootstrap.
    pub node: &'a str,
    /// `node.cluster` of the bootstrap.
    pub node_cluster: &'a str,
}

/// Applies it all; returns the client's address as far as it is trusted.
pub fn receive(
    head: &mut RequestHead,
    manager: &HttpManager,
    routes: Option<&RouteConfig>,
    hop: Hop<'_>,
    dice: &mut impl Random,
) -> Option<IpAddr> {
    let upgrade = is_upgrade(&head.headers);
    strip_hop_by_hop(&mut head.headers, upgrade);
    head.headers.remove("x-envoy-internal");
    let client = client::client(head, manager, hop);
    scheme(head, manager, hop);
    port(&mut head.headers, manager, hop);
    let edge = internal::clean(&mut head.headers, manager, routes, &client);
    if edge && let Some(address) = client.address {
        head.headers.set("x-envoy-external-address", address.to_string());
    }
    user_agent(&mut head.headers, manager, hop);
    request_id::ensure(&mut head.headers, manager, edge, dice);
    if !manager.via.is_empty() {
        append_separated(&mut head.headers, "via", ", ", &manager.via);
    }
    client.address
}

/// Tells the upstream the port that the request came to (`append_x_forwarded_port`), unless a trusted
/// proxy in front has told.
fn port(headers: &mut Headers, manager: &HttpManager, hop: Hop<'_>) {
    let trusted = !manager.use_remote_address || manager.xff_trusted_hops > 0;
    if manager.append_x_forwarded_port
        && !(trusted && headers.contains("x-forwarded-port"))
        && let Some(port) = hop.port
    {
        headers.set("x-forwarded-port", port.to_string());
    }
}

/// Says who asks (`add_user_agent`).
fn user_agent(headers: &mut Headers, manager: &HttpManager, hop: Hop<'_>) {
    if !manager.add_user_agent {
        return;
    }
    headers.set("x-envoy-downstream-service-cluster", hop.node_cluster);
    if headers.get("user-agent").is_none_or(<[u8]>::is_empty) {
        headers.set("user-agent", hop.node_cluster);
    }
    if !hop.node.is_empty() {
        headers.set("x-envoy-downstream-service-node", hop.node);
    }
}

fn scheme(head: &mut RequestHead, manager: &HttpManager, hop: Hop<'_>) {
    let implied = if hop.tls { "https" } else { "http" };
    let untrusted = manager.use_remote_address && manager.xff_trusted_hops == 0;
    if untrusted || !head.headers.contains("x-forwarded-proto") {
        head.headers.set("x-forwarded-proto", implied);
    }
    // HTTP/1 carries no scheme unless its target is absolute: believe the header where it holds one.
    if head.version < Version::Http2 && &*head.scheme == implied {
        let told = match head.headers.get_str("x-forwarded-proto") {
            Some(told) if told.eq_ignore_ascii_case("http") => "http",
            Some(told) if told.eq_ignore_ascii_case("https") => "https",
            _ => implied,
        };
        if &*head.scheme != told {
            head.scheme = told.into();
        }
    }
    if head.scheme.bytes().any(|byte| byte.is_ascii_uppercase()) {
        head.scheme = head.scheme.to_ascii_lowercase().into();
    }
    if let Some(forced) = &manager.force_scheme {
        head.scheme = forced.clone();
        head.headers.set("x-forwarded-proto", forced.as_bytes());
    }
}

/// Appends an item to a comma-separated list field.
pub fn append_list(headers: &mut Headers, name: &str, item: &str) {
    append_separated(headers, name, ",", item);
}

fn append_separated(headers: &mut Headers, name: &str, separator: &str, item: &str) {
    let value = match headers.get_joined(name.as_bytes()) {
        Some(old) if !old.is_empty() => [&*old, separator.as_bytes(), item.as_bytes()].concat(),
        _ => item.as_bytes().to_vec(),
    };
    headers.set(name, value);
}

#[cfg(test)]
mod tests;
