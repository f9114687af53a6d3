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

    fn changes_body(&self) -> (bool, bool) {
        (false, false)
    }
}

#[cfg(test)]
mod tests {
    use crate::seam::Flow;
    use crate::testing::{Fixed, chain, context, get};

    #[test]
    fn bodies_are_held_back_up_to_the_limit() {
        let filter = "{name: b, typed_config: {'@type': type.googleapis.com/envoy.extensions.filters.http.buffer.v3.Buffer,
                       max_request_bytes: 10}}";
        let per_route = |fields: &str| {
            let route = format!(
                "match: {{prefix: /}}, route: {{cluster: a}}, typed_per_filter_config: {{b: {{
                   '@type': type.googleapis.com/envoy.extensions.filters.http.buffer.v3.BufferPerRoute, {fields}}}}}"
            );
            let mut chain = chain(filter, &route);
            chain.request(0, &mut get("/"), false, &mut context(), &mut Fixed(0))
        };
        let mut plain = chain(filter, "match: {prefix: /}, route: {cluster: a}");
        let flow = plain.request(0, &mut get("/"), false, &mut context(), &mut Fixed(0));
        assert!(matches!(flow, Flow::Buffer(10)), "{flow:?}");
        assert!(plain.wants_request_body() && !plain.wants_response_body() && !plain.changes_response_body());
        let flow = plain.request(0, &mut get("/"), true, &mut context(), &mut Fixed(0));
        assert!(matches!(flow, Flow::Continue), "no body: {flow:?}");
        assert!(matches!(per_route("buffer: {max_request_bytes: 20}"), Flow::Buffer(20)));
        assert!(matches!(per_route("disabled: true"), Flow::Continue));
    }
}
