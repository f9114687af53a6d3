//! Leaves notes for later filters and for the upstream connection.

use std::sync::Arc;

use weft_route::headers::render;
use weft_tables::filter::SetFilterState;
use weft_types::{Random, RequestHead};

use crate::seam::{Context, Flow, HttpFilter};

/// `envoy.filters.http.set_filter_state`.
#[derive(Debug)]
pub(crate) struct SetFilterStateFilter {
    config: Arc<SetFilterState>,
}

impl SetFilterStateFilter {
    pub(crate) fn new(config: Arc<SetFilterState>) -> Self {
        Self { config }
    }
}

impl HttpFilter for SetFilterStateFilter {
    fn on_request(&mut self, head: &mut RequestHead, _: bool, cx: &mut Context, _: &mut dyn Random) -> Flow {
        for entry in &self.config.entries {
            let value = render(&entry.value, &crate::values::RequestValues(head));
            if entry.skip_if_empty && value.is_empty() {
                continue;
            }
            cx.state.insert(entry.key.clone(), String::from_utf8_lossy(&value).into());
        }
        Flow::Continue
    }
}
