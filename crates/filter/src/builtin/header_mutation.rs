//! Header mutations as a filter.

use std::sync::Arc;

use smallvec::SmallVec;
use weft_route::headers::{mutate, mutate_request, render};
use weft_tables::filter::{HeaderMutations, HttpFilterConfig, MutationStep};
use weft_types::{Random, RequestHead, ResponseHead};

use crate::seam::{Context, Effective, Flow, HttpFilter};
use crate::values::{RequestValues, ResponseValues};

/// `envoy.filters.http.header_mutation`: the chain's steps, then those of each level of the route, the
/// most specific first unless the chain says that it wins.
#[derive(Debug)]
pub(crate) struct HeaderMutationFilter {
    lists: SmallVec<[Arc<HeaderMutations>; 2]>,
    /// Kept for response values that look back.
    request: Option<Box<RequestHead>>,
}

impl HeaderMutationFilter {
    pub(crate) fn new(effective: &Effective<'_>) -> Self {
        let list = |config: &HttpFilterConfig| match config {
            HttpFilterConfig::HeaderMutation(list) => Some(list.clone()),
            _ => None,
        };
        let base = list(effective.base);
        let most_specific_wins = base.as_ref().is_some_and(|list| list.most_specific_wins);
        let mut lists: SmallVec<[Arc<HeaderMutations>; 2]> = base.into_iter().collect();
        let levels = effective.levels.iter().filter_map(|config| list(config));
        if most_specific_wins {
            lists.extend(levels.rev());
        } else {
            lists.extend(levels);
        }
        Self { lists, request: None }
    }
}

impl HttpFilter for HeaderMutationFilter {
    fn on_request(&mut self, head: &mut RequestHead, _: bool, _: &mut Context, _: &mut dyn Random) -> Flow {
        for step in self.lists.iter().flat_map(|l| &l.request) {
            match step {
                MutationStep::Remove(name) => {
                    head.headers.remove(&**name);
                }
                MutationStep::Set(mutation) => {
                    let value = render(&mutation.value, &RequestValues(head));
                    mutate_request(head, mutation, &value);
                }
            }
        }
        if self.lists.iter().any(|l| !l.response.is_empty()) {
            self.request = Some(Box::new(head.clone()));
        }
        Flow::Continue
    }

    fn on_response(&mut self, head: &mut ResponseHead, _: bool, _: &mut Context) -> Flow {
        for step in self.lists.iter().flat_map(|l| &l.response) {
            match step {
                MutationStep::Remove(name) => {
                    head.headers.remove(&**name);
                }
                MutationStep::Set(mutation) => {
                    let values = ResponseValues { request: self.request.as_deref(), response: head };
                    let value = render(&mutation.value, &values);
                    mutate(&mut head.headers, mutation, &value);
                }
            }
        }
        Flow::Continue
    }
}

#[cfg(test)]
mod tests;
