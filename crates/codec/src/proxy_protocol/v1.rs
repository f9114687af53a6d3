//! Version 1: a line of text.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{Addresses, Family, Format, Header, MAX_V1_BYTES, Parsed, Tlvs};

pub(super) const SIGNATURE: &[u8] = b"PROXY ";

/// Reads a line whose start agrees with the signature as far as it goes.
pub(super) fn parse(prefix: &[u8]) -> Parsed {
    let window = prefix.get(..MAX_V1_BYTES).unwrap_or(prefix);
    let Some(feed) = memchr::memchr(b'\n', window) else {
        return match window.len() {
            MAX_V1_BYTES => Parsed::Malformed("no line end within 107 bytes"),
            _ => Parsed::NeedMore,
        };
    };
    let words = window
        .get(..feed)
        .and_then(|line| line.strip_suffix(b"\r"))
        .and_then(|line| line.strip_prefix(SIGNATURE))
        .and_then(|words| std::str::from_utf8(words).ok());
    let Some(words) = words else { return Parsed::Malformed("not a line of text ended by CR LF") };
    let addresses = match words.split_once(' ').unwrap_or((words, "")) {
        ("UNKNOWN", _) => Some(None),
        ("TCP4", rest) => addresses::<Ipv4Addr>(rest).map(Some),
        ("TCP6", rest) => addresses::<Ipv6Addr>(rest).map(Some),
        _ => return Parsed::Malformed("neither TCP4 nor TCP6 nor UNKNOWN"),
    };
    match addresses {
        Some(addresses) => Parsed::Header {
            header: Header { format: Format::V1, addresses, tlvs: Tlvs::default() },
            length: feed + 1,
        },
        None => Parsed::Malformed("malformed addresses"),
    }
}

fn addresses<A: std::str::FromStr + Into<IpAddr>>(words: &str) -> Option<Addresses> {
    let mut words = words.split(' ');
    let mut address = || words.next()?.parse::<A>().ok().map(Into::into);
    let (source, destination): (IpAddr, IpAddr) = (address()?, address()?);
    let mut port = || port(words.next()?);
    let (source_port, destination_port) = (port()?, port()?);
    words.next().is_none().then_some(())?;
    Addresses {
        source: SocketAddr::new(source, source_port),
        destination: SocketAddr::new(destination, destination_port),
    }
    .checked()
}

/// A port in plain digits: no sign, no leading zero.
fn port(word: &str) -> Option<u16> {
    let plain = word.bytes().all(|byte| byte.is_ascii_digit()) && (word == "0" || !word.starts_with('0'));
    plain.then(|| word.parse().ok())?
}

pub(super) fn write(addresses: Option<Addresses>) -> Vec<u8> {
    let Some(addresses) = addresses else { return b"PROXY UNKNOWN\r\n".to_vec() };
    let ports = [addresses.source.port(), addresses.destination.port()];
    match addresses.family() {
        Family::V4(ips) => line("TCP4", ips, ports),
        Family::V6(ips) => line("TCP6", ips, ports),
    }
}

fn line<A: std::fmt::Display>(family: &str, [source, destination]: [A; 2], [from, to]: [u16; 2]) -> Vec<u8> {
    format!("PROXY {family} {source} {destination} {from} {to}\r\n").into_bytes()
}
