//! Command operators as far as a simulation knows their values.

use std::borrow::Cow;

use weft_filter::values::{RequestValues, ResponseValues};
use weft_route::decide::RouteChoice;
use weft_route::headers::{OperatorValues, render};
use weft_tables::route::Template;
use weft_types::{RequestHead, ResponseHead};

/// What the decision tells beside the heads.
struct Decided<'a, V> {
    heads: V,
    choice: &'a RouteChoice,
}

impl<V: OperatorValues> OperatorValues for Decided<'_, V> {
    fn value(&self, name: &str, argument: &str) -> Option<Cow<'_, [u8]>> {
        let text = |name: &str| Some(Cow::Owned(name.as_bytes().to_vec()));
        match name {
            "ROUTE_NAME" => text(&self.choice.route.name),
            "UPSTREAM_CLUSTER" => self.choice.cluster.as_deref().and_then(text),
            "RESPONSE_FLAGS" => text("-"),
            _ => self.heads.value(name, argument),
        }
    }
}

/// Writes a request template out.
pub(crate) fn of_request(template: &Template, head: &RequestHead, choice: &RouteChoice) -> Vec<u8> {
    render(template, &Decided { heads: RequestValues(head), choice })
}

/// Writes a response template out.
pub(crate) fn of_response(
    template: &Template,
    request: &RequestHead,
    response: &ResponseHead,
    choice: &RouteChoice,
) -> Vec<u8> {
    render(template, &Decided { heads: ResponseValues { request: Some(request), response }, choice })
}
