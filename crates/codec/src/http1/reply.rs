//! The reply to input that was refused.

use super::encode::status_line;
use super::number::Written;
use crate::{CodecError, ErrorReply, Output};

/// Writes a full response whose body is the status's phrase, as Envoy does, and which ends the
/// connection. `date` and `server` come from the caller: this crate reads no clock.
pub(super) fn write(output: &mut Output, error: &CodecError, with: &ErrorReply) {
    let Some(status) = error.status else { return };
    let body = error.reply_body().as_bytes();
    status_line(output, false, status);
    output.put(b"content-length: ");
    output.put(Written::decimal(body.len() as u64).as_bytes());
    output.put(b"\r\ncontent-type: text/plain\r\n");
    for (name, value) in with.fields.iter() {
        output.put(name);
        output.put(b": ");
        output.put(value);
        output.put(b"\r\n");
    }
    output.put(b"connection: close\r\n\r\n");
    output.put(body);
}
