//! The filters of one request, in order.

use bytes::Bytes;
use smallvec::SmallVec;
use weft_tables::filter::{HttpFilter as Configured, HttpFilterConfig, PerRoute};
use weft_tables::route::RouteConfig;
use weft_types::{Headers, Name, RequestHead, ResponseHead};

use crate::builtin::Filter;
use crate::seam::{BodyFlow, Context, Effective, Flow, OpenFilters};

/// The filters at work on one request, outermost first.
#[derive(Debug, Default)]
pub struct Chain {
    filters: SmallVec<[Filter; 4]>,
    wants_request_body: bool,
    wants_response_body: bool,
}

/// Settings by filter name, most specific level first.
pub type Levels<'a> = &'a [&'a [(Name, PerRoute)]];

impl Chain {
    /// The chain for a request: each configured filter with its most specific setting; disabled ones
    /// are left out.
    #[must_use]
    pub fn build(configured: &[Configured], levels: Levels<'_>, open: &OpenFilters) -> Self {
        let mut chain = Self::default();
        for filter in configured {
            let Some(effective) = effective(filter, levels) else { continue };
            let Some(filter) = Filter::build(&effective, filter, open) else { continue };
            let (request, response) = filter.wants_body();
            chain.wants_request_body |= request;
            chain.wants_response_body |= response;
            chain.filters.push(filter);
        }
        chain
    }

    /// Number of filters.
    #[must_use]
    pub fn len(&self) -> usize {
        self.filters.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.filters.is_empty()
    }

    /// Whether a filter looks at request bodies.
    #[must_use]
    pub fn wants_request_body(&self) -> bool {
        self.wants_request_body
    }

    /// Whether a filter looks at response bodies.
    #[must_use]
    pub fn wants_response_body(&self) -> bool {
        self.wants_response_body
    }

    /// Runs filter `index` on the request head. The pipeline goes through the indices in order and
    /// acts on each [`Flow`].
    pub fn request(
        &mut self,
        index: usize,
        head: &mut RequestHead,
        end: bool,
        cx: &mut Context,
        dice: &mut dyn weft_types::Random,
    ) -> Flow {
        self.filters.get_mut(index).map_or(Flow::Continue, |f| f.on_request(head, end, cx, dice))
    }

    /// Runs filter `index` on the response head. The pipeline goes from the last index to the first.
    pub fn response(&mut self, index: usize, head: &mut ResponseHead, end: bool, cx: &mut Context) -> Flow {
        self.filters.get_mut(index).map_or(Flow::Continue, |f| f.on_response(head, end, cx))
    }

    /// Passes a piece of request body through all filters.
    pub fn request_data(&mut self, data: &mut Bytes, end: bool, cx: &mut Context) -> BodyFlow {
        for filter in &mut self.filters {
            if let reply @ BodyFlow::Reply(_) = filter.on_request_data(data, end, cx) {
                return reply;
            }
        }
        BodyFlow::Continue
    }

    /// Passes request trailers through all filters.
    pub fn request_trailers(&mut self, trailers: &mut Headers, cx: &mut Context) -> BodyFlow {
        for filter in &mut self.filters {
            if let reply @ BodyFlow::Reply(_) = filter.on_request_trailers(trailers, cx) {
                return reply;
            }
        }
        BodyFlow::Continue
    }

    /// Passes a piece of response body through all filters, last first.
    pub fn response_data(&mut self, data: &mut Bytes, end: bool, cx: &mut Context) -> BodyFlow {
        for filter in self.filters.iter_mut().rev() {
            if let reply @ BodyFlow::Reply(_) = filter.on_response_data(data, end, cx) {
                return reply;
            }
        }
        BodyFlow::Continue
    }

    /// Passes response trailers through all filters, last first.
    pub fn response_trailers(&mut self, trailers: &mut Headers, cx: &mut Context) -> BodyFlow {
        for filter in self.filters.iter_mut().rev() {
            if let reply @ BodyFlow::Reply(_) = filter.on_response_trailers(trailers, cx) {
                return reply;
            }
        }
        BodyFlow::Continue
    }
}

/// The setting of the first level that names the filter decides.
fn effective<'a>(filter: &'a Configured, levels: Levels<'a>) -> Option<Effective<'a>> {
    let setting = levels.iter().find_map(|level| level.iter().find(|(name, _)| *name == filter.name));
    let config: &HttpFilterConfig = match setting.map(|(_, s)| s) {
        Some(PerRoute::Disabled) => return None,
        Some(PerRoute::Config(config)) => config,
        Some(PerRoute::Enabled) => &filter.config,
        None if filter.disabled => return None,
        None => &filter.config,
    };
    Some(Effective { name: &filter.name, config })
}

/// The levels of a route decision, most specific first: weighted cluster, route, host, configuration.
#[must_use]
pub fn levels<'a>(
    weighted: Option<&'a [(Name, PerRoute)]>,
    route: &'a [(Name, PerRoute)],
    host: &'a [(Name, PerRoute)],
    config: &'a RouteConfig,
) -> SmallVec<[&'a [(Name, PerRoute)]; 4]> {
    let mut all: SmallVec<[&[(Name, PerRoute)]; 4]> = SmallVec::new();
    all.extend(weighted);
    all.extend([route, host, &config.per_filter[..]]);
    all
}
