//! Holds a request back until its body is whole.

use weft_types::{Random, RequestHead};

use crate::seam::{Context, Flow, HttpFilter};

/// `envoy.filters.http.buffer`.
#[derive(Debug)]
pub(crate) struct BufferFilter {
    limit: u32,
}

impl BufferFilter {
    pub(crate) fn new(limit: u32) -> Self {
        Self { limit }
    }
}

impl HttpFilter for BufferFilter {
    fn on_request(&mut self, _: &mut RequestHead, end: bool, _: &mut Context, _: &mut dyn Random) -> Flow {
        if end { Flow::Continue } else { Flow::Buffer(self.limit as usize) }
    }

    fn wants_body(&self) -> (bool, bool) {
        (true, false)
    }
}
