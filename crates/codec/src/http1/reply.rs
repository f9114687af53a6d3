//! The reply to input that was refused.

use super::encode::status_line;
use super::number::Written;
use super::spelling::Names;
use crate::{CodecError, ErrorReply, Output};

/// Writes a full response whose body is the status's phrase, as Envoy does, and which ends the
/// connection. `date` and `server` come from the caller: this crate reads no clock.
pub(super) fn write(output: &mut Output, error: &CodecError, with: &ErrorReply, proper_case: bool) {
    let Some(status) = error.status else { return };
    let body = error.reply_body().as_bytes();
    status_line(output, false, status);
    let names = Names::new(&with.fields, proper_case);
    names.field(output, b"content-length", Written::decimal(body.len() as u64).as_bytes());
    names.field(output, b"content-type", b"text/plain");
    for (name, value) in with.fields.iter() {
        names.field(output, name, value);
    }
    names.field(output, b"connection", b"close");
    output.put(b"\r\n");
    output.put(body);
}
