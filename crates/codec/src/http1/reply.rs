//! The reply to input that was refused.

use super::encode::status_line;
use super::number::Written;
use super::reason;
use crate::Output;

/// Writes a full response whose body is the status's phrase, as Envoy does, and which ends the
/// connection. `date` and `server` are left out: this crate reads no clock.
pub(super) fn write(output: &mut Output, status: u16) {
    let body = reason::phrase(status).as_bytes();
    status_line(output, false, status);
    output.put(b"content-length: ");
    output.put(Written::decimal(body.len() as u64).as_bytes());
    output.put(b"\r\ncontent-type: text/plain\r\nconnection: close\r\n\r\n");
    output.put(body);
}
