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

#[cfg(test)]
mod tests {
    use crate::testing::{Fixed, chain, context, filter, with};

    #[test]
    fn values_are_left_under_their_keys() {
        let entries = "on_request_headers: [
            {object_key: k1, factory_key: envoy.string, format_string: {text_format_source: {inline_string: 'v %REQ(x-a)%'}}},
            {object_key: k2, factory_key: envoy.string, skip_if_empty: true,
             format_string: {text_format_source: {inline_string: '%REQ(x-no)%'}}},
            {object_key: k3, factory_key: envoy.string, format_string: {text_format_source: {inline_string: '%REQ(x-no)%'}}}]";
        let mut cx = context();
        let mut chain = chain(
            &filter("s", "set_filter_state.v3.Config", entries),
            "match: {prefix: /}, route: {cluster: a}",
        );
        chain.request(0, &mut with(&[("x-a", "1")]), true, &mut cx, &mut Fixed(0));
        let left: Vec<(&str, &str)> = cx.state.iter().map(|(k, v)| (&**k, &**v)).collect();
        assert_eq!(left, [("k1", "v 1"), ("k3", "")]);
    }
}
