//! Version 2: binary.

use std::net::{IpAddr, SocketAddr};

use super::{Addresses, Family, Format, Header, Parsed, WriteError};

pub(super) const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

const HEADER_BYTES: usize = 16;
const LOCAL: u8 = 0x20;
const PROXY: u8 = 0x21;
const TCP4: u8 = 0x11;
const UDP4: u8 = 0x12;
const TCP6: u8 = 0x21;
const UDP6: u8 = 0x22;

/// Type-length-value fields, kept as they came; well-formed always.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tlvs(Vec<u8>);

impl Tlvs {
    /// Adds a field at the end.
    ///
    /// # Errors
    /// The value is longer than its length field can say.
    pub fn push(&mut self, kind: u8, value: &[u8]) -> Result<(), WriteError> {
        let length = u16::try_from(value.len()).map_err(|_| WriteError::TooLong)?;
        self.0.push(kind);
        self.0.extend_from_slice(&length.to_be_bytes());
        self.0.extend_from_slice(value);
        Ok(())
    }

    /// The fields as `(type, value)`, in order.
    pub fn iter(&self) -> impl Iterator<Item = (u8, &[u8])> {
        let mut rest = &self.0[..];
        std::iter::from_fn(move || {
            let (kind, value, tail) = split(rest)?;
            rest = tail;
            Some((kind, value))
        })
    }

    /// The first value of that type.
    #[must_use]
    pub fn get(&self, kind: u8) -> Option<&[u8]> {
        self.iter().find(|(k, _)| *k == kind).map(|(_, value)| value)
    }

    /// Whether there is no field.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn checked(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes;
        while !rest.is_empty() {
            (_, _, rest) = split(rest)?;
        }
        Some(Self(bytes.to_vec()))
    }
}

fn split(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let [kind, high, low, rest @ ..] = bytes else { return None };
    let (value, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes([*high, *low])))?;
    Some((*kind, value, rest))
}

/// Reads a header whose start agrees with the signature as far as it goes.
pub(super) fn parse(prefix: &[u8]) -> Parsed {
    match prefix.get(SIGNATURE.len()) {
        None => return Parsed::NeedMore,
        Some(&(LOCAL | PROXY)) => {}
        Some(_) => return Parsed::Malformed("another version or an unknown command"),
    }
    let Some((header, rest)) = prefix.split_at_checked(HEADER_BYTES) else { return Parsed::NeedMore };
    let [.., command, family, high, low] = *header else { return Parsed::NeedMore };
    let length = usize::from(u16::from_be_bytes([high, low]));
    let Some(content) = rest.get(..length) else { return Parsed::NeedMore };
    let (addresses, tlvs) = if command == LOCAL {
        // What follows a LOCAL command is to be skipped whatever it is.
        (None, Tlvs::default())
    } else {
        let taken = match family {
            TCP4 | UDP4 => addresses::<4>(content),
            TCP6 | UDP6 => addresses::<16>(content),
            _ => return Parsed::Malformed("neither IPv4 nor IPv6"),
        };
        let Some((addresses, rest)) = taken else { return Parsed::Malformed("malformed addresses") };
        let Some(tlvs) = Tlvs::checked(rest) else { return Parsed::Malformed("malformed TLV") };
        (Some(addresses), tlvs)
    };
    let header = Header { format: Format::V2, addresses, tlvs };
    Parsed::Header { header, length: HEADER_BYTES + length }
}

/// Two addresses of `N` bytes and two ports; what follows them.
fn addresses<const N: usize>(content: &[u8]) -> Option<(Addresses, &[u8])>
where
    IpAddr: From<[u8; N]>,
{
    let (source, rest) = content.split_first_chunk::<N>()?;
    let (destination, rest) = rest.split_first_chunk::<N>()?;
    let (from, rest) = rest.split_first_chunk::<2>()?;
    let (to, rest) = rest.split_first_chunk::<2>()?;
    let addresses = Addresses {
        source: SocketAddr::new(IpAddr::from(*source), u16::from_be_bytes(*from)),
        destination: SocketAddr::new(IpAddr::from(*destination), u16::from_be_bytes(*to)),
    };
    Some((addresses.checked()?, rest))
}

pub(super) fn write(header: &Header) -> Result<Vec<u8>, WriteError> {
    let mut content = Vec::with_capacity(36 + header.tlvs.0.len());
    let (command, family) = match &header.addresses {
        None => (LOCAL, 0),
        Some(addresses) => {
            let family = match addresses.family() {
                Family::V4(ips) => {
                    ips.iter().for_each(|ip| content.extend_from_slice(&ip.octets()));
                    TCP4
                }
                Family::V6(ips) => {
                    ips.iter().for_each(|ip| content.extend_from_slice(&ip.octets()));
                    TCP6
                }
            };
            content.extend_from_slice(&addresses.source.port().to_be_bytes());
            content.extend_from_slice(&addresses.destination.port().to_be_bytes());
            content.extend_from_slice(&header.tlvs.0);
            (PROXY, family)
        }
    };
    let length = u16::try_from(content.len()).map_err(|_| WriteError::TooLong)?.to_be_bytes();
    Ok([SIGNATURE, &[command, family], &length, &content].concat())
}
