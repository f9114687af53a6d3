//! Addresses.

use std::net::{IpAddr, SocketAddr};

use super::reader::{Read, Reader};
use super::unset::{ignore_set, refuse_set};
use crate::address::SocketAddress;
use crate::pb::envoy::config::core::v3 as core;

/// Longest path of a Unix socket, bytes (`sun_path` without its NUL).
const MAX_UNIX_PATH: usize = 107;
/// Longest host name, bytes (RFC 1035).
const MAX_HOST_NAME: usize = 253;

/// Whether an address may be a name to resolve.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Names {
    /// A name or an IP address.
    Allowed,
    /// An IP address only.
    Forbidden,
}

/// Reads an address.
pub(crate) fn read(r: &mut Reader<'_>, proto: &core::Address, names: Names) -> Read<SocketAddress> {
    let core::Address { address } = proto;
    match address {
        Some(core::address::Address::SocketAddress(socket)) => {
            r.within("socket_address", |r| socket_address(r, socket, names))
        }
        Some(core::address::Address::Pipe(pipe)) => r.within("pipe", |r| {
            let core::Pipe { path, mode } = pipe;
            refuse_set!(r, "the mode of a Unix socket is not set here", mode);
            if r.text("path", path)?.len() > MAX_UNIX_PATH {
                return Err(r.refuse_at("path", format!("longer than {MAX_UNIX_PATH} bytes")));
            }
            Ok(SocketAddress::Unix(path.into()))
        }),
        Some(core::address::Address::EnvoyInternalAddress(internal)) => {
            r.within("envoy_internal_address", |r| {
                let core::EnvoyInternalAddress { endpoint_id, address_name_specifier } = internal;
                ignore_set!(r, "the listener's name alone identifies the address", endpoint_id);
                match address_name_specifier {
                    Some(core::envoy_internal_address::AddressNameSpecifier::ServerListenerName(name)) => {
                        Ok(SocketAddress::Internal(r.text("server_listener_name", name)?.into()))
                    }
                    None => Err(r.refuse("server_listener_name is required")),
                }
            })
        }
        None => Err(r.refuse("an address is required")),
    }
}

fn socket_address(r: &mut Reader<'_>, proto: &core::SocketAddress, names: Names) -> Read<SocketAddress> {
    let core::SocketAddress {
        protocol,
        address,
        resolver_name,
        ipv4_compat,
        network_namespace_filepath,
        port_specifier,
    } = proto;
    refuse_set!(r, "not implemented", resolver_name, ipv4_compat, network_namespace_filepath);
    if r.choice::<core::socket_address::Protocol>("protocol", *protocol)?
        != core::socket_address::Protocol::Tcp
    {
        return Err(r.refuse_at("protocol", "only TCP is implemented"));
    }
    let port = match port_specifier {
        Some(core::socket_address::PortSpecifier::PortValue(port)) => {
            u16::try_from(*port).map_err(|_| r.refuse_at("port_value", format!("{port} is not a port")))?
        }
        Some(core::socket_address::PortSpecifier::NamedPort(_)) => {
            return Err(r.refuse_at("named_port", "not implemented; use port_value"));
        }
        None => return Err(r.refuse("port_value is required")),
    };
    let text = r.text("address", address)?;
    match (text.parse::<IpAddr>(), names) {
        (Ok(ip), _) => Ok(SocketAddress::Ip(SocketAddr::new(ip, port))),
        (Err(_), Names::Allowed) if is_host_name(text) => Ok(SocketAddress::Name(text.into(), port)),
        (Err(_), Names::Allowed) => Err(r.refuse_at("address", format!("{text:?} is not a host name"))),
        (Err(_), Names::Forbidden) => Err(r.within("address", |r| {
            r.refuse_with_hint(
                format!("{text:?} is not an IP address"),
                "clusters of type STRICT_DNS or LOGICAL_DNS resolve names",
            )
        })),
    }
}

/// Reads an IP address and port that a socket binds.
pub(crate) fn bound(r: &mut Reader<'_>, proto: &core::SocketAddress) -> Read<SocketAddr> {
    let address = socket_address(r, proto, Names::Forbidden)?;
    address.ip().ok_or_else(|| r.refuse("an IP address is required"))
}

/// Whether a text can be asked of a resolver: labels of letters, digits, `-` and `_`.
fn is_host_name(text: &str) -> bool {
    let name = text.strip_suffix('.').unwrap_or(text);
    name.len() <= MAX_HOST_NAME
        && name.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        })
}
