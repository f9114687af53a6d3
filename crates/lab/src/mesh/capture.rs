//! What passes the bridge of a network, to see that it is TLS and nothing else.

use crate::netns::Host;
use anyhow::{Context, Result};
use socket2::{Domain, Protocol, Socket, Type};
use std::io::Read as _;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

/// `ETH_P_ALL`.
const ALL: u16 = 0x0003;
/// Most packets that a capture keeps.
const MAX_PACKETS: usize = 50_000;

/// A socket that sees every packet of a host.
#[derive(Debug)]
pub struct Capture {
    socket: Socket,
}

/// The payload of one TCP segment.
#[derive(Debug, Clone)]
pub struct Segment {
    /// Who sent it.
    pub from: (Ipv4Addr, u16),
    /// To whom.
    pub to: (Ipv4Addr, u16),
    /// What.
    pub payload: Vec<u8>,
}

impl Capture {
    /// Begins.
    ///
    /// # Errors
    /// When the kernel does not give such a socket.
    pub fn begin(hub: &Host) -> Result<Self> {
        let socket = hub.enter(|| {
            let protocol = Protocol::from(i32::from(ALL.to_be()));
            Socket::new(Domain::PACKET, Type::RAW, Some(protocol)).context("a packet socket")
        })?;
        socket.set_recv_buffer_size(8 << 20).ok();
        Ok(Self { socket })
    }

    /// Ends, and gives what was seen since the beginning. Segments appear once for each port they pass.
    ///
    /// # Errors
    /// When the socket fails.
    pub fn end(mut self) -> Result<Vec<Segment>> {
        self.socket.set_read_timeout(Some(Duration::from_millis(100)))?;
        let (mut seen, mut buffer) = (Vec::new(), vec![0; 65_536]);
        let begun = Instant::now();
        while seen.len() < MAX_PACKETS && begun.elapsed() < Duration::from_secs(5) {
            let Ok(length) = self.socket.read(&mut buffer) else { break };
            seen.extend(buffer.get(..length).and_then(segment));
        }
        Ok(seen)
    }
}

/// Ethernet, IPv4, TCP.
fn segment(frame: &[u8]) -> Option<Segment> {
    if frame.get(12..14)? != [8, 0] {
        return None;
    }
    let packet = frame.get(14..)?;
    let header = usize::from(packet.first()? & 0x0f) * 4;
    let total = usize::from(u16::from_be_bytes(packet.get(2..4)?.try_into().ok()?));
    if *packet.get(9)? != 6 {
        return None;
    }
    let address = |at: usize| Some(Ipv4Addr::from(<[u8; 4]>::try_from(packet.get(at..at + 4)?).ok()?));
    let (from, to) = (address(12)?, address(16)?);
    let tcp = packet.get(header..total)?;
    let port = |at: usize| Some(u16::from_be_bytes(tcp.get(at..at + 2)?.try_into().ok()?));
    let payload = tcp.get(usize::from(tcp.get(12)? >> 4) * 4..)?;
    (!payload.is_empty()).then_some(())?;
    Some(Segment { from: (from, port(0)?), to: (to, port(2)?), payload: payload.to_vec() })
}

impl Segment {
    /// Whether it begins with a TLS record.
    #[must_use]
    pub fn begins_record(&self) -> bool {
        matches!(self.payload.as_slice(), [0x14..=0x17, 3, 0..=4, ..])
    }

    /// The version that a `ServerHello` at its beginning chose; the extension `supported_versions` tells
    /// 1.3 (RFC 8446 section 4.2.1).
    #[must_use]
    pub fn server_hello(&self) -> Option<u16> {
        let [0x16, 3, _, _, _, 2, rest @ ..] = self.payload.as_slice() else { return None };
        // length 3, version 2, random 32, session id, suite 2, compression 1, extensions.
        let legacy = u16::from_be_bytes(rest.get(3..5)?.try_into().ok()?);
        let session = usize::from(*rest.get(37)?);
        let mut extensions = rest.get(38 + session + 3 + 2..)?;
        while let [a, b, c, d, tail @ ..] = extensions {
            let (kind, length) = (u16::from_be_bytes([*a, *b]), usize::from(u16::from_be_bytes([*c, *d])));
            if kind == 43 {
                return Some(u16::from_be_bytes(tail.get(..2)?.try_into().ok()?));
            }
            extensions = tail.get(length..)?;
        }
        Some(legacy)
    }

    /// Whether the bytes hold that text.
    #[must_use]
    pub fn holds(&self, text: &str) -> bool {
        self.payload.windows(text.len()).any(|window| window == text.as_bytes())
    }
}
