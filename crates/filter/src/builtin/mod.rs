//! The built-in filters: an enum, so that the common chain costs no allocation and no indirection.

use bytes::Bytes;
use weft_tables::filter::HttpFilterConfig;
use weft_types::{Headers, Random, RequestHead, ResponseHead};

use crate::seam::{BodyFlow, Context, Effective, Flow, HttpFilter, OpenFilters};

mod alpn;
mod buffer;
mod cors;
mod fault;
mod grpc_stats;
mod header_mutation;
mod health_check;
mod local_ratelimit;
mod peer_metadata;
mod rbac;
mod set_filter_state;

pub use rbac::evaluate::{RbacVerdict, evaluate as evaluate_rbac};

/// A filter at work on one request.
#[derive(Debug)]
pub(crate) enum Filter {
    Fault(fault::FaultFilter),
    HeaderMutation(header_mutation::HeaderMutationFilter),
    Cors(cors::CorsFilter),
    Rbac(rbac::RbacFilter),
    SetFilterState(set_filter_state::SetFilterStateFilter),
    HealthCheck(health_check::HealthCheck),
    Buffer(buffer::BufferFilter),
    GrpcStats(grpc_stats::GrpcStatsFilter),
    LocalRateLimit(local_ratelimit::LocalRateLimitFilter),
    PeerMetadata(peer_metadata::PeerMetadataFilter),
    Alpn(alpn::AlpnFilter),
    Open(Box<dyn HttpFilter>),
}

macro_rules! each {
    ($self:ident, $filter:ident => $call:expr) => {
        match $self {
            Self::Fault($filter) => $call,
            Self::HeaderMutation($filter) => $call,
            Self::Cors($filter) => $call,
            Self::Rbac($filter) => $call,
            Self::SetFilterState($filter) => $call,
            Self::HealthCheck($filter) => $call,
            Self::Buffer($filter) => $call,
            Self::GrpcStats($filter) => $call,
            Self::LocalRateLimit($filter) => $call,
            Self::PeerMetadata($filter) => $call,
            Self::Alpn($filter) => $call,
            Self::Open($filter) => $call,
        }
    };
}

impl Filter {
    /// The filter for its effective configuration; `None`: an open filter that nobody registered,
    /// or one that takes no part in the request.
    pub(crate) fn build(effective: &Effective<'_>, open: &OpenFilters) -> Option<Self> {
        Some(match effective.config {
            HttpFilterConfig::Fault(config) => Self::Fault(fault::FaultFilter::new(config.clone())),
            HttpFilterConfig::HeaderMutation(_) => {
                Self::HeaderMutation(header_mutation::HeaderMutationFilter::new(effective))
            }
            HttpFilterConfig::Cors(_) => Self::Cors(cors::CorsFilter::new(effective)),
            HttpFilterConfig::Rbac(config) => Self::Rbac(rbac::RbacFilter::new(config.clone())),
            HttpFilterConfig::SetFilterState(config) => {
                Self::SetFilterState(set_filter_state::SetFilterStateFilter::new(config.clone()))
            }
            HttpFilterConfig::HealthCheck(config) => {
                Self::HealthCheck(health_check::HealthCheck::new(config.clone()))
            }
            HttpFilterConfig::Buffer(limit) => Self::Buffer(buffer::BufferFilter::new(*limit)),
            HttpFilterConfig::Open(config) => Self::Open((open.0.get(&config.kind)?)(config)),
            HttpFilterConfig::GrpcStats => Self::GrpcStats(grpc_stats::GrpcStatsFilter::default()),
            HttpFilterConfig::LocalRateLimit(config) => {
                Self::LocalRateLimit(local_ratelimit::LocalRateLimitFilter::new(config.clone()))
            }
            HttpFilterConfig::PeerMetadata(config) => {
                Self::PeerMetadata(peer_metadata::PeerMetadataFilter::new(config.clone()))
            }
            HttpFilterConfig::Alpn(config) => Self::Alpn(alpn::AlpnFilter::new(config.clone())),
            // Counts at the end of the request, by what others left.
            HttpFilterConfig::IstioStats(_) => return None,
        })
    }

    pub(crate) fn on_request(
        &mut self,
        head: &mut RequestHead,
        end: bool,
        cx: &mut Context,
        dice: &mut dyn Random,
    ) -> Flow {
        each!(self, f => f.on_request(head, end, cx, dice))
    }

    pub(crate) fn on_request_data(&mut self, data: &mut Bytes, end: bool, cx: &mut Context) -> BodyFlow {
        each!(self, f => f.on_request_data(data, end, cx))
    }

    pub(crate) fn on_request_trailers(&mut self, trailers: &mut Headers, cx: &mut Context) -> BodyFlow {
        each!(self, f => f.on_request_trailers(trailers, cx))
    }

    pub(crate) fn on_response(&mut self, head: &mut ResponseHead, end: bool, cx: &mut Context) -> Flow {
        each!(self, f => f.on_response(head, end, cx))
    }

    pub(crate) fn on_response_data(&mut self, data: &mut Bytes, end: bool, cx: &mut Context) -> BodyFlow {
        each!(self, f => f.on_response_data(data, end, cx))
    }

    pub(crate) fn on_response_trailers(&mut self, trailers: &mut Headers, cx: &mut Context) -> BodyFlow {
        each!(self, f => f.on_response_trailers(trailers, cx))
    }

    pub(crate) fn wants_body(&self) -> (bool, bool) {
        each!(self, f => f.wants_body())
    }

    pub(crate) fn changes_body(&self) -> (bool, bool) {
        each!(self, f => f.changes_body())
    }
}
