//! Header mutations as a filter.

use std::sync::Arc;

use weft_route::headers::{mutate, mutate_request, render};
use weft_tables::filter::{HeaderMutations, MutationStep};
use weft_types::{Random, RequestHead, ResponseHead};

use crate::seam::{Context, Flow, HttpFilter};

/// `envoy.filters.http.header_mutation`: the chain's steps, then the route's.
#[derive(Debug)]
pub(crate) struct HeaderMutationFilter {
    lists: [Option<Arc<HeaderMutations>>; 2],
    request: Option<RequestHead>,
}

impl HeaderMutationFilter {
    pub(crate) fn new(base: Option<Arc<HeaderMutations>>, config: Arc<HeaderMutations>) -> Self {
        Self { lists: [base, Some(config)], request: None }
    }
}

impl HttpFilter for HeaderMutationFilter {
    fn on_request(&mut self, head: &mut RequestHead, _: bool, _: &mut Context, _: &mut dyn Random) -> Flow {
        for step in self.lists.iter().flatten().flat_map(|l| &l.request) {
            match step {
                MutationStep::Remove(name) => {
                    head.headers.remove(&**name);
                }
                MutationStep::Set(mutation) => {
                    let value = render(&mutation.value, &crate::values::RequestValues(head));
                    mutate_request(head, mutation, &value);
                }
            }
        }
        if self.lists.iter().flatten().any(|l| !l.response.is_empty()) {
            self.request = Some(head.clone());
        }
        Flow::Continue
    }

    fn on_response(&mut self, head: &mut ResponseHead, _: bool, _: &mut Context) -> Flow {
        for step in self.lists.iter().flatten().flat_map(|l| &l.response) {
            match step {
                MutationStep::Remove(name) => {
                    head.headers.remove(&**name);
                }
                MutationStep::Set(mutation) => {
                    let values =
                        crate::values::ResponseValues { request: self.request.as_ref(), response: head };
                    let value = render(&mutation.value, &values);
                    mutate(&mut head.headers, mutation, &value);
                }
            }
        }
        Flow::Continue
    }
}
