//! Frames (RFC 9113 sections 4.1 and 6): their headers, read and written.

use super::error_code::Violation;
use crate::Output;

/// Bytes before each frame's payload.
pub(super) const HEADER_BYTES: usize = 9;
/// Highest stream identifier and largest window.
pub(super) const MAX_31_BITS: u32 = 0x7fff_ffff;
/// The frame size that each end must take.
pub(super) const DEFAULT_MAX_FRAME_SIZE: u32 = 16_384;
/// The largest frame size that can be set.
pub(super) const LARGEST_MAX_FRAME_SIZE: u32 = 0x00ff_ffff;

/// Frame types.
pub(super) mod kind {
    pub(crate) const DATA: u8 = 0;
    pub(crate) const HEADERS: u8 = 1;
    pub(crate) const PRIORITY: u8 = 2;
    pub(crate) const RST_STREAM: u8 = 3;
    pub(crate) const SETTINGS: u8 = 4;
    pub(crate) const PUSH_PROMISE: u8 = 5;
    pub(crate) const PING: u8 = 6;
    pub(crate) const GOAWAY: u8 = 7;
    pub(crate) const WINDOW_UPDATE: u8 = 8;
    pub(crate) const CONTINUATION: u8 = 9;
}

/// Frame flags.
pub(super) mod flag {
    pub(crate) const ACK: u8 = 0x1;
    pub(crate) const END_STREAM: u8 = 0x1;
    pub(crate) const END_HEADERS: u8 = 0x4;
    pub(crate) const PADDED: u8 = 0x8;
    pub(crate) const PRIORITY: u8 = 0x20;
}

/// What precedes a frame's payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FrameHeader {
    /// Bytes of the payload.
    pub(super) length: usize,
    pub(super) kind: u8,
    pub(super) flags: u8,
    /// 0 for the connection; the reserved bit is dropped.
    pub(super) stream: u32,
}

impl FrameHeader {
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let [a, b, c, kind, flags, id @ ..] = bytes.first_chunk::<HEADER_BYTES>()?;
        Some(Self {
            length: u32::from_be_bytes([0, *a, *b, *c]) as usize,
            kind: *kind,
            flags: *flags,
            stream: u32::from_be_bytes(*id) & MAX_31_BITS,
        })
    }

    pub(super) fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

/// Writes a frame's header. `length` is below 2^24 by the peer's maximum frame size.
pub(super) fn write_header(output: &mut Output, length: usize, kind: u8, flags: u8, stream: u32) {
    let [_, a, b, c] = u32::try_from(length).unwrap_or(LARGEST_MAX_FRAME_SIZE).to_be_bytes();
    let [s, t, u, v] = stream.to_be_bytes();
    output.put(&[a, b, c, kind, flags, s, t, u, v]);
}

/// Writes a small frame whole.
pub(super) fn write(output: &mut Output, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    write_header(output, payload.len(), kind, flags, stream);
    output.put(payload);
}

/// Writes a header block as HEADERS and as many CONTINUATION frames as `max_frame_size` makes it.
pub(super) fn write_block(output: &mut Output, stream: u32, end: bool, block: &[u8], max_frame_size: usize) {
    let mut kind = kind::HEADERS;
    let mut flags = if end { flag::END_STREAM } else { 0 };
    let mut rest = block;
    loop {
        let (fragment, after) = rest.split_at(rest.len().min(max_frame_size));
        if after.is_empty() {
            flags |= flag::END_HEADERS;
        }
        write(output, kind, flags, stream, fragment);
        if after.is_empty() {
            return;
        }
        rest = after;
        kind = kind::CONTINUATION;
        flags = 0;
    }
}

/// The content of DATA or HEADERS, without pad length and padding.
pub(super) fn strip_padding<'a>(header: &FrameHeader, payload: &'a [u8]) -> Result<&'a [u8], Violation> {
    if !header.has(flag::PADDED) {
        return Ok(payload);
    }
    let Some((padding, rest)) = payload.split_first() else {
        return Err(Violation::frame_size("padded frame without pad length"));
    };
    let content = rest.len().checked_sub(usize::from(*padding)).and_then(|length| rest.get(..length));
    content.ok_or_else(|| Violation::protocol("padding longer than the frame"))
}

/// Reads a 31-bit number (stream identifier or increment) from the front of a payload.
pub(super) fn read_31_bits(payload: &[u8]) -> Option<u32> {
    payload.first_chunk::<4>().map(|b| u32::from_be_bytes(*b) & MAX_31_BITS)
}
