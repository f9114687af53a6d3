//! SETTINGS parameters (RFC 9113 section 6.5.2, RFC 8441 section 3).

use super::error_code::{ErrorCode, Violation};
use super::frame::{DEFAULT_MAX_FRAME_SIZE, LARGEST_MAX_FRAME_SIZE, MAX_31_BITS};
use crate::{Limits, Side};

/// The window that each stream and the connection begin with.
pub(super) const DEFAULT_WINDOW: u32 = 65_535;
/// The HPACK table size that each end begins with.
pub(super) const DEFAULT_TABLE_SIZE: u32 = 4096;

const HEADER_TABLE_SIZE: u16 = 1;
const ENABLE_PUSH: u16 = 2;
const MAX_CONCURRENT_STREAMS: u16 = 3;
const INITIAL_WINDOW_SIZE: u16 = 4;
const MAX_FRAME_SIZE: u16 = 5;
const ENABLE_CONNECT_PROTOCOL: u16 = 8;

/// What the peer told us about itself; the protocol's defaults until then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PeerSettings {
    /// Whether a SETTINGS frame came.
    pub(super) received: bool,
    pub(super) header_table_size: u32,
    /// Streams that we may have open; `None` is no limit.
    pub(super) max_concurrent_streams: Option<u32>,
    pub(super) initial_window: u32,
    pub(super) max_frame_size: u32,
    pub(super) connect_protocol: bool,
}

impl Default for PeerSettings {
    fn default() -> Self {
        Self {
            received: false,
            header_table_size: DEFAULT_TABLE_SIZE,
            max_concurrent_streams: None,
            initial_window: DEFAULT_WINDOW,
            max_frame_size: DEFAULT_MAX_FRAME_SIZE,
            connect_protocol: false,
        }
    }
}

impl PeerSettings {
    /// Applies a SETTINGS payload that `side` received.
    pub(super) fn apply(&mut self, payload: &[u8], side: Side) -> Result<(), Violation> {
        let (parameters, rest) = payload.as_chunks::<6>();
        if !rest.is_empty() {
            return Err(Violation::frame_size("SETTINGS length is no multiple of 6"));
        }
        for [i, j, a, b, c, d] in parameters {
            self.set(u16::from_be_bytes([*i, *j]), u32::from_be_bytes([*a, *b, *c, *d]), side)?;
        }
        self.received = true;
        Ok(())
    }

    fn set(&mut self, parameter: u16, value: u32, side: Side) -> Result<(), Violation> {
        match parameter {
            HEADER_TABLE_SIZE => self.header_table_size = value,
            ENABLE_PUSH if value > 1 => {
                return Err(Violation::protocol("ENABLE_PUSH is neither 0 nor 1"));
            }
            ENABLE_PUSH if value == 1 && side == Side::Client => {
                return Err(Violation::protocol("a server enabled push"));
            }
            MAX_CONCURRENT_STREAMS => self.max_concurrent_streams = Some(value),
            INITIAL_WINDOW_SIZE if value > MAX_31_BITS => {
                return Err(Violation::connection(
                    ErrorCode::FlowControlError,
                    "INITIAL_WINDOW_SIZE above 2^31-1",
                ));
            }
            INITIAL_WINDOW_SIZE => self.initial_window = value,
            MAX_FRAME_SIZE if !(DEFAULT_MAX_FRAME_SIZE..=LARGEST_MAX_FRAME_SIZE).contains(&value) => {
                return Err(Violation::protocol("MAX_FRAME_SIZE out of range"));
            }
            MAX_FRAME_SIZE => self.max_frame_size = value,
            ENABLE_CONNECT_PROTOCOL if value > 1 || (value == 0 && self.connect_protocol) => {
                return Err(Violation::protocol("ENABLE_CONNECT_PROTOCOL is not 0 or 1, or taken back"));
            }
            ENABLE_CONNECT_PROTOCOL => self.connect_protocol = value == 1,
            // ENABLE_PUSH within its bounds: we push to nobody. MAX_HEADER_LIST_SIZE: advice only.
            // Others must be ignored.
            _ => {}
        }
        Ok(())
    }
}

/// The payload of the SETTINGS frame that we begin with: the same parameters as Envoy's.
pub(super) fn initial_payload(limits: &Limits, side: Side) -> Vec<u8> {
    let mut parameters = vec![(HEADER_TABLE_SIZE, limits.hpack_table_size)];
    match side {
        Side::Server => {
            parameters.push((ENABLE_CONNECT_PROTOCOL, u32::from(limits.allow_extended_connect)));
            parameters.push((MAX_CONCURRENT_STREAMS, limits.max_concurrent_streams));
        }
        Side::Client => parameters.push((ENABLE_PUSH, 0)),
    }
    parameters.push((INITIAL_WINDOW_SIZE, initial_stream_window(limits)));
    let max_frame_size = max_frame_size(limits);
    if max_frame_size != DEFAULT_MAX_FRAME_SIZE {
        parameters.push((MAX_FRAME_SIZE, max_frame_size));
    }
    let mut payload = Vec::with_capacity(parameters.len() * 6);
    for (parameter, value) in parameters {
        payload.extend_from_slice(&parameter.to_be_bytes());
        payload.extend_from_slice(&value.to_be_bytes());
    }
    payload
}

/// The stream window of our limits, within the protocol's bounds.
pub(super) fn initial_stream_window(limits: &Limits) -> u32 {
    limits.initial_stream_window.min(MAX_31_BITS)
}

/// The frame size of our limits, within the protocol's bounds.
pub(super) fn max_frame_size(limits: &Limits) -> u32 {
    limits.max_frame_size.clamp(DEFAULT_MAX_FRAME_SIZE, LARGEST_MAX_FRAME_SIZE)
}
