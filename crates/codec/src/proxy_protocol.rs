//! The PROXY protocol, versions 1 and 2: who the peer of a proxy in front of us is.
//!
//! ```text
//! listener ─peeked prefix─► parse ─► addresses of the connection      (Envoy listener filter)
//! pool ─► Header::write ─► first bytes of an upstream connection      (Envoy transport; DR-17)
//! ```
//!
//! Reading follows Envoy 1.40: families other than IPv4 and IPv6 and addresses that no TCP peer has
//! are refused. Version 1 is read as its specification writes it, stricter than Envoy: one space
//! between words, none at the end, ports of plain digits.

use std::net::{IpAddr, SocketAddr};

mod v1;
mod v2;

pub use v2::Tlvs;

/// Longest header of version 1, CR LF included, in bytes (specification section 2.1).
pub const MAX_V1_BYTES: usize = 107;
/// Longest header of version 2, in bytes: its length field allows no more.
pub const MAX_V2_BYTES: usize = 16 + 65_535;

/// The format of a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A line of text.
    V1,
    /// Binary.
    V2,
}

/// Source and destination of the connection that a proxy passes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// Whom the connection comes from.
    pub source: SocketAddr,
    /// Where it was meant to go.
    pub destination: SocketAddr,
}

/// A header of either version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Its format.
    pub format: Format,
    /// The addresses; `None` when the proxy speaks for itself (LOCAL) or doesn't know (UNKNOWN): the
    /// connection's own addresses stand.
    pub addresses: Option<Addresses>,
    /// Type-length-value fields of version 2.
    pub tlvs: Tlvs,
}

/// The answer of [`parse`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// Not enough bytes to tell.
    NeedMore,
    /// The bytes are not a PROXY header. Envoy closes the connection unless
    /// `allow_requests_without_proxy_protocol` is set.
    Absent,
    /// A header, and how many bytes of the prefix it takes.
    Header {
        /// The header.
        header: Header,
        /// Its length in bytes.
        length: usize,
    },
    /// It began as a PROXY header and broke the rules: the connection must be closed. The reason is
    /// for people.
    Malformed(&'static str),
}

/// Reads the PROXY header at the start of `prefix`.
#[must_use]
pub fn parse(prefix: &[u8]) -> Parsed {
    let same = |signature: &[u8]| prefix.iter().zip(signature).all(|(a, b)| a == b);
    if same(v2::SIGNATURE) && !prefix.is_empty() {
        v2::parse(prefix)
    } else if same(v1::SIGNATURE) {
        v1::parse(prefix)
    } else {
        Parsed::Absent
    }
}

/// Why a header can't be written.
#[derive(Debug, thiserror::Error, PartialEq, Eq, Clone, Copy)]
pub enum WriteError {
    /// The TLVs don't fit into the length field.
    #[error("PROXY header larger than its length field can say")]
    TooLong,
}

impl Header {
    /// The header's bytes. Addresses of two families are both written as IPv6. Version 1 has no room
    /// for TLVs and drops them.
    ///
    /// # Errors
    /// The TLVs of version 2 exceed its length field.
    pub fn write(&self) -> Result<Vec<u8>, WriteError> {
        match self.format {
            Format::V1 => Ok(v1::write(self.addresses)),
            Format::V2 => v2::write(self),
        }
    }
}

/// Source and destination in one family, as both formats want them.
enum Family {
    V4([std::net::Ipv4Addr; 2]),
    V6([std::net::Ipv6Addr; 2]),
}

impl Addresses {
    fn family(&self) -> Family {
        match (self.source.ip(), self.destination.ip()) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => Family::V4([source, destination]),
            (source, destination) => Family::V6([source, destination].map(|ip| match ip {
                IpAddr::V4(ip) => ip.to_ipv6_mapped(),
                IpAddr::V6(ip) => ip,
            })),
        }
    }

    /// Both are addresses that a peer of a connection can have.
    fn checked(self) -> Option<Self> {
        let unicast = |ip: IpAddr| match ip {
            IpAddr::V4(ip) => !ip.is_unspecified() && !ip.is_multicast() && !ip.is_broadcast(),
            IpAddr::V6(ip) => !ip.is_unspecified() && !ip.is_multicast(),
        };
        (unicast(self.source.ip()) && unicast(self.destination.ip())).then_some(self)
    }
}

#[cfg(test)]
mod tests;
