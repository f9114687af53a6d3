//! The filters of one request, in order.

use std::mem::discriminant;

use bytes::Bytes;
use smallvec::SmallVec;
use weft_tables::filter::{HttpFilter as Configured, PerRoute};
use weft_tables::route::RouteConfig;
use weft_types::{Headers, Name, RequestHead, ResponseHead};

use crate::builtin::Filter;
use crate::seam::{BodyFlow, Context, Effective, Flow, OpenFilters};

/// The filters at work on one request, outermost first.
#[derive(Debug, Default)]
pub struct Chain {
    filters: SmallVec<[Filter; 4]>,
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
            let Some(filter) = Filter::build(&effective, open) else { continue };
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

    /// Whether a filter looks at this request's body. It may depend on the head: ask after
    /// [`Chain::request`].
    #[must_use]
    pub fn wants_request_body(&self) -> bool {
        self.filters.iter().any(|f| f.wants_body().0)
    }

    /// Whether a filter looks at the response's body.
    #[must_use]
    pub fn wants_response_body(&self) -> bool {
        self.filters.iter().any(|f| f.wants_body().1)
    }

    /// Whether a filter may change the response's body, so that its length is not known beforehand.
    #[must_use]
    pub fn changes_response_body(&self) -> bool {
        self.filters.iter().any(|f| f.changes_body().1)
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

/// What the filter runs by; `None`: it is off. The first level that names the filter decides whether
/// it runs. Settings of another kind of filter under its name count for nothing.
fn effective<'a>(filter: &'a Configured, levels: Levels<'a>) -> Option<Effective<'a>> {
    let fits = |setting: &&PerRoute| match setting {
        PerRoute::Config(config) => discriminant(config) == discriminant(&filter.config),
        PerRoute::Disabled | PerRoute::Enabled => true,
    };
    let setting_of = |level: &'a [(Name, PerRoute)]| {
        level.iter().find(|(name, _)| *name == filter.name).map(|(_, setting)| setting).filter(fits)
    };
    let mut settings = levels.iter().filter_map(|level| setting_of(level)).peekable();
    let config = match settings.peek() {
        Some(PerRoute::Disabled) => return None,
        Some(PerRoute::Config(config)) => config,
        Some(PerRoute::Enabled) => &filter.config,
        None if filter.disabled => return None,
        None => &filter.config,
    };
    let levels = settings.filter_map(|setting| match setting {
        PerRoute::Config(config) => Some(config),
        PerRoute::Disabled | PerRoute::Enabled => None,
    });
    Some(Effective { name: &filter.name, config, base: &filter.config, levels: levels.collect() })
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

#[cfg(test)]
mod tests;
