//! The filters of one exchange at work.

use std::cell::RefCell;

use bytes::Bytes;
use weft_filter::{Chain, Context, Flow, LocalReply};
use weft_http::clock;
use weft_types::{Headers, RequestHead, ResponseHead};

use super::body::{Piece, hooked};
use crate::worker::Dice;

/// Chain and context of an exchange. Uploads and downloads run at the same time and both pass through
/// it, so it lies behind a cell that is borrowed only between awaits.
#[derive(Debug, Default)]
pub(crate) struct FilterRun {
    chain: RefCell<Chain>,
    cx: RefCell<Context>,
}

impl FilterRun {
    pub(crate) fn new(chain: Chain, cx: Context) -> Self {
        Self { chain: RefCell::new(chain), cx: RefCell::new(cx) }
    }

    /// How many filters there are.
    pub(crate) fn len(&self) -> usize {
        self.chain.borrow().len()
    }

    /// Looks at the context.
    pub(crate) fn context<R>(&self, look: impl FnOnce(&mut Context) -> R) -> R {
        look(&mut self.cx.borrow_mut())
    }

    pub(crate) fn request(&self, index: usize, head: &mut RequestHead, end: bool, dice: &mut Dice) -> Flow {
        let mut cx = self.cx.borrow_mut();
        cx.now = Some(clock::now().into_std());
        self.chain.borrow_mut().request(index, head, end, &mut cx, dice)
    }

    pub(crate) fn response(&self, index: usize, head: &mut ResponseHead, end: bool) -> Flow {
        self.chain.borrow_mut().response(index, head, end, &mut self.cx.borrow_mut())
    }

    /// Passes a piece of request through the body hooks.
    pub(crate) fn request_piece(&self, piece: Piece) -> Result<Piece, Box<LocalReply>> {
        let mut chain = self.chain.borrow_mut();
        if !chain.wants_request_body() {
            return Ok(piece);
        }
        let mut cx = self.cx.borrow_mut();
        Ok(match piece {
            Piece::Data(mut data, end) => {
                hooked(chain.request_data(&mut data, end, &mut cx))?;
                Piece::Data(data, end)
            }
            Piece::Trailers(mut fields) => {
                hooked(chain.request_trailers(&mut fields, &mut cx))?;
                Piece::Trailers(fields)
            }
        })
    }

    /// Whether response bodies pass through hooks.
    pub(crate) fn wants_response_body(&self) -> bool {
        self.chain.borrow().wants_response_body()
    }

    /// Whether the length of response bodies may change on the way.
    pub(crate) fn changes_response_body(&self) -> bool {
        self.chain.borrow().changes_response_body()
    }

    /// Passes a piece of response body through the hooks.
    pub(crate) fn response_data(&self, data: &mut Bytes, end: bool) -> Result<(), Box<LocalReply>> {
        hooked(self.chain.borrow_mut().response_data(data, end, &mut self.cx.borrow_mut()))
    }

    /// Passes response trailers through the hooks.
    pub(crate) fn response_trailers(&self, fields: &mut Headers) -> Result<(), Box<LocalReply>> {
        hooked(self.chain.borrow_mut().response_trailers(fields, &mut self.cx.borrow_mut()))
    }
}
