//! The request's body on its way up: filtered once, kept for retries as far as limits allow.

use std::cell::Cell;
use std::rc::Rc;

use bytes::Bytes;
use weft_filter::{BodyFlow, LocalReply};
use weft_http::{Frame, RecvBody, StreamError};
use weft_types::Headers;

use super::filters::FilterRun;
use super::mirror::MirrorFeed;

/// A piece of request as the upstream gets it.
#[derive(Clone, Debug)]
pub(crate) enum Piece {
    /// Body bytes, and whether they are the last.
    Data(Bytes, bool),
    /// Trailers, which end the request.
    Trailers(Headers),
}

impl Piece {
    pub(crate) fn is_last(&self) -> bool {
        matches!(self, Self::Data(_, true) | Self::Trailers(_))
    }

    fn size(&self) -> usize {
        match self {
            Self::Data(data, _) => data.len(),
            Self::Trailers(fields) => fields.byte_size(),
        }
    }
}

/// Why the body did not go on.
#[derive(Debug)]
pub(crate) enum BodyStop {
    /// The client is gone.
    Downstream(StreamError),
    /// A filter answers instead.
    Reply(Box<LocalReply>),
}

/// The body with what is kept of it.
#[derive(Debug)]
pub(crate) struct RequestBody {
    incoming: RecvBody,
    kept: Vec<Piece>,
    kept_bytes: usize,
    /// Next of `kept` to give out.
    cursor: usize,
    /// Most bytes to keep.
    limit: usize,
    /// Keep pieces after giving them out, for another try.
    keep: bool,
    complete: bool,
    /// Something was given out that is not kept.
    lost: bool,
    received: Rc<Cell<u64>>,
    /// Where copies go.
    pub(crate) mirrors: Vec<MirrorFeed>,
}

impl RequestBody {
    pub(crate) fn new(incoming: RecvBody, end: bool, limit: usize) -> Self {
        Self {
            incoming,
            kept: Vec::new(),
            kept_bytes: 0,
            cursor: 0,
            limit,
            keep: false,
            complete: end,
            lost: false,
            received: Rc::default(),
            mirrors: Vec::new(),
        }
    }

    /// Whether the request has no body at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.complete && self.kept.is_empty()
    }

    /// Length of a body that was held back until it was whole; `None` with trailers or without a body.
    pub(crate) fn whole_length(&self) -> Option<usize> {
        match &self.kept[..] {
            [Piece::Data(data, true)] => Some(data.len()),
            _ => None,
        }
    }

    /// Whether all of it has arrived.
    pub(crate) fn is_complete(&self) -> bool {
        self.complete
    }

    /// The count of body bytes received so far.
    pub(crate) fn received(&self) -> Rc<Cell<u64>> {
        self.received.clone()
    }

    /// Keep what passes, at most `limit` bytes, so that it can be sent again.
    pub(crate) fn keep_for_retry(&mut self, limit: usize) {
        self.keep = true;
        self.limit = limit;
    }

    /// Whether all that was given out can be given out again.
    pub(crate) fn is_replayable(&self) -> bool {
        !self.lost
    }

    /// Back to the start for another try.
    pub(crate) fn rewind(&mut self) {
        self.cursor = 0;
    }

    /// Back to the start for another request with the same body, which counts as received again.
    pub(crate) fn begin_again(&mut self) {
        self.rewind();
        self.mirrors.clear();
        let data =
            self.kept.iter().map(|piece| if let Piece::Data(data, _) = piece { data.len() } else { 0 });
        self.received.set(self.received.get() + data.sum::<usize>() as u64);
    }

    /// The request goes on without its body, all of which has arrived.
    pub(crate) fn discard(&mut self) {
        self.kept.clear();
        self.cursor = 0;
    }

    /// What comes from now on is no body but a stream both ways.
    pub(crate) fn become_stream(&mut self) {
        self.complete = false;
        self.keep = false;
        self.kept.clear();
        self.cursor = 0;
    }

    /// Nothing is kept from now on.
    pub(crate) fn forget(&mut self) {
        self.keep = false;
        if self.cursor > 0 {
            self.kept.drain(..self.cursor);
            self.cursor = 0;
            self.lost = true;
        }
    }

    /// Holds back until the body is whole, at most `limit` bytes, and gives it to the filters as one.
    pub(crate) async fn buffer(&mut self, limit: usize, filters: &FilterRun) -> Result<(), BodyStop> {
        if self.complete && !self.kept.is_empty() {
            // It is whole, and the filters have seen it.
            return Ok(());
        }
        let mut whole = Vec::new();
        let mut trailers = None;
        while !self.complete {
            match self.receive().await.map_err(BodyStop::Downstream)? {
                Piece::Data(data, _) => {
                    if whole.len() + data.len() > limit {
                        return Err(BodyStop::Reply(Box::new(LocalReply::new(
                            413,
                            "Payload Too Large",
                            "request_payload_too_large",
                        ))));
                    }
                    whole.extend_from_slice(&data);
                }
                Piece::Trailers(fields) => trailers = Some(fields),
            }
        }
        let last = trailers.is_none();
        self.store(filters.request_piece(Piece::Data(whole.into(), last)).map_err(BodyStop::Reply)?);
        if let Some(fields) = trailers {
            self.store(filters.request_piece(Piece::Trailers(fields)).map_err(BodyStop::Reply)?);
        }
        Ok(())
    }

    fn store(&mut self, piece: Piece) {
        self.kept_bytes += piece.size();
        self.kept.push(piece);
    }

    /// The next piece, after the filters; `None` when all has been given out. Safe to cancel as long
    /// as the body is kept.
    pub(crate) async fn next(&mut self, filters: &FilterRun) -> Result<Option<Piece>, BodyStop> {
        if let Some(piece) = self.kept.get(self.cursor).cloned() {
            self.cursor += 1;
            if !self.keep {
                self.forget();
            }
            return Ok(Some(piece));
        }
        if self.complete {
            return Ok(None);
        }
        let piece = self.receive().await.map_err(BodyStop::Downstream)?;
        let piece = filters.request_piece(piece).map_err(BodyStop::Reply)?;
        for mirror in &mut self.mirrors {
            mirror.push(&piece);
        }
        if self.keep && self.kept_bytes + piece.size() <= self.limit {
            self.store(piece.clone());
            self.cursor = self.kept.len();
        } else {
            self.forget();
            self.kept.clear();
            self.cursor = 0;
            self.lost = true;
        }
        Ok(Some(piece))
    }

    async fn receive(&mut self) -> Result<Piece, StreamError> {
        let piece = match self.incoming.next().await? {
            Frame::Data(data) => {
                self.received.set(self.received.get() + data.len() as u64);
                Piece::Data(data, self.incoming.is_end())
            }
            Frame::Trailers(fields) => Piece::Trailers(fields),
            Frame::End => Piece::Data(Bytes::new(), true),
        };
        self.complete = piece.is_last();
        Ok(piece)
    }
}

/// What body hooks decided about a piece.
pub(crate) fn hooked(flow: BodyFlow) -> Result<(), Box<LocalReply>> {
    match flow {
        BodyFlow::Continue => Ok(()),
        BodyFlow::Reply(reply) => Err(reply),
    }
}
