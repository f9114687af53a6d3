//! The body of a message, as sent.

use bytes::Bytes;
use weft_types::Headers;

use super::encode;
use super::number::Written;
use super::verdict::misuse;
use crate::{CodecError, Output};

/// Writer of one body by its framing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Writer {
    /// The message has no body whatever the caller sends (HEAD, 204, 304): data are dropped.
    Nothing,
    /// That many bytes are still owed.
    Length(u64),
    /// Chunks.
    Chunked,
    /// As it is; the connection's end ends it.
    Raw,
}

impl Writer {
    /// Writes data, and the body's end with `end`.
    ///
    /// # Errors
    /// The data exceed or, at the end, fall short of the stated length.
    pub(super) fn data(&mut self, output: &mut Output, data: Bytes, end: bool) -> Result<(), CodecError> {
        match self {
            Self::Nothing => {}
            Self::Length(left) => {
                *left = left
                    .checked_sub(data.len() as u64)
                    .ok_or_else(|| misuse("more body than content-length says"))?;
                output.push(data);
            }
            Self::Chunked if data.is_empty() => {}
            Self::Chunked => {
                output.put(Written::hex(data.len() as u64).as_bytes());
                output.put(b"\r\n");
                output.push(data);
                output.put(b"\r\n");
            }
            Self::Raw => output.push(data),
        }
        if end { self.end(output, None, false) } else { Ok(()) }
    }

    /// Writes the body's end, with trailers where the framing has room for them.
    ///
    /// # Errors
    /// The data fell short of the stated length, or a trailer field can't be expressed.
    pub(super) fn end(
        &mut self,
        output: &mut Output,
        trailers: Option<&Headers>,
        proper_case: bool,
    ) -> Result<(), CodecError> {
        match self {
            Self::Length(left) if *left > 0 => Err(misuse("less body than content-length says")),
            Self::Chunked => {
                output.put(b"0\r\n");
                let written =
                    trailers.map_or(Ok(()), |trailers| encode::trailers(output, trailers, proper_case));
                output.put(b"\r\n");
                written
            }
            _ => Ok(()),
        }
    }
}
