//! The body of a message, as received.

use bytes::{Bytes, BytesMut};
use weft_types::Headers;

use super::chunked::{Chunk, Chunked};
use crate::{CodecError, Limits};

/// Reader of one body by its framing.
#[derive(Debug)]
pub(super) enum Body {
    /// That many bytes to come; not zero.
    Length(u64),
    /// Chunks.
    Chunked(Chunked),
    /// Until the connection ends.
    UntilClose,
}

/// A piece of body.
#[derive(Debug)]
pub(super) enum Piece {
    /// Data; `end` when it is the last and no trailers follow.
    Data { data: Bytes, end: bool },
    /// The end, with trailers.
    Trailers(Headers),
}

impl Body {
    /// Takes the next piece out of `input` without copying; `None` when more is needed.
    pub(super) fn read(
        &mut self,
        input: &mut BytesMut,
        limits: &Limits,
    ) -> Result<Option<Piece>, CodecError> {
        match self {
            Self::Chunked(chunked) => Ok(chunked.read(input, limits)?.map(|chunk| match chunk {
                Chunk::Data { data, end } => Piece::Data { data, end },
                Chunk::End(trailers) if trailers.is_empty() => Piece::Data { data: Bytes::new(), end: true },
                Chunk::End(trailers) => Piece::Trailers(trailers),
            })),
            _ if input.is_empty() => Ok(None),
            Self::Length(left) => {
                let here = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len());
                *left -= here as u64;
                Ok(Some(Piece::Data { data: input.split_to(here).freeze(), end: *left == 0 }))
            }
            Self::UntilClose => Ok(Some(Piece::Data { data: input.split().freeze(), end: false })),
        }
    }
}
