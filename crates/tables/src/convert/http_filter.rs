//! HTTP filter chains.

use std::sync::Arc;

use super::reader::{Read, Reader, expanded, holds, type_name};
use super::unset::{ignore_set, refuse_set};
use super::{cors, fault, filter_state, header_mutation, istio, local_ratelimit, rbac, router};
use crate::filter::{HealthCheckFilter, HttpFilter, HttpFilterConfig, OpenConfig};
use crate::hcm::RouterOptions;
use crate::pb::envoy::extensions::filters::http;
use crate::pb::envoy::extensions::filters::network::http_connection_manager::v3::{
    self as proto, http_filter::ConfigType,
};
use crate::pb::google::protobuf::Any;
use http::buffer::v3::Buffer;
use http::cors::v3::Cors;
use http::fault::v3::HttpFault;
use http::grpc_stats::v3::FilterConfig as GrpcStats;
use http::header_mutation::v3::HeaderMutation;
use http::health_check::v3::HealthCheck;
use http::local_ratelimit::v3::LocalRateLimit;
use http::rbac::v3::Rbac;
use http::router::v3::Router;
use http::set_filter_state::v3::Config as SetFilterState;
use http::upstream_codec::v3::UpstreamCodec;

/// Which side a chain is on; it decides which filter ends it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Position {
    /// In a connection manager; the router ends it.
    Downstream,
    /// In a cluster; the codec ends it.
    Upstream,
}

/// What a filter is in a chain.
pub(crate) enum Part {
    /// A filter.
    Filter(HttpFilterConfig),
    /// The end of the chain; the options are those of a router.
    Terminal(Box<RouterOptions>),
    /// One that has no effect here.
    Passed,
}

/// Reads a chain, whose last filter must be the terminal one.
pub(crate) fn chain(
    r: &mut Reader<'_>,
    field: &'static str,
    protos: &[proto::HttpFilter],
    position: Position,
) -> Read<(Vec<HttpFilter>, RouterOptions)> {
    let parts = r.each(field, protos, |r, p| one(r, p, position))?;
    let last = parts.len().saturating_sub(1);
    let mut filters = Vec::with_capacity(last);
    for (index, (part, proto)) in parts.into_iter().zip(protos).enumerate() {
        match part {
            Part::Terminal(options) if index == last => return Ok((filters, *options)),
            Part::Terminal(_) => {
                return Err(r.item(field, index, |r| r.refuse("a terminal filter must be the last one")));
            }
            Part::Filter(config) => filters.push(HttpFilter {
                name: proto.name.as_str().into(),
                config,
                disabled: proto.disabled,
            }),
            Part::Passed => {}
        }
    }
    let want = match position {
        Position::Downstream => "the last HTTP filter must be the router",
        Position::Upstream => "the last HTTP filter must be the upstream codec",
    };
    Err(r.refuse(format!("{field}: {want}")))
}

/// A filter that the program brings itself: a `TypedStruct` whose type is in the package `weft`. The
/// program refuses kinds that it did not register.
fn open(any: &Any) -> Option<OpenConfig> {
    let typed: weft_proto::xds::r#type::v3::TypedStruct = weft_proto::any::unpack(any).ok()?;
    let kind = typed.type_url.rsplit('/').next().filter(|name| name.starts_with("weft."))?;
    let value = prost::Message::encode_to_vec(&typed.value.unwrap_or_default());
    Some(OpenConfig { kind: kind.into(), config: value.into() })
}

fn one(r: &mut Reader<'_>, proto: &proto::HttpFilter, position: Position) -> Read<Part> {
    let proto::HttpFilter { name, is_optional, disabled, config_type } = proto;
    r.text("name", name)?;
    let any = match config_type {
        Some(ConfigType::TypedConfig(any)) => any,
        Some(ConfigType::ConfigDiscovery(_)) => {
            return Err(r.refuse_at("config_discovery", "not implemented"));
        }
        None => return Err(r.refuse("typed_config is required")),
    };
    r.within("typed_config", |r| {
        if let Some(config) = open(any) {
            return Ok(Part::Filter(HttpFilterConfig::Open(config)));
        }
        let any = &*expanded(r, any)?;
        if let Some(part) = terminal(r, any, position)? {
            if *disabled {
                return Err(r.refuse("a terminal filter cannot be disabled"));
            }
            return Ok(part);
        }
        match config(r, any)? {
            Some(config) => Ok(Part::Filter(config)),
            None if *is_optional || *disabled => {
                r.ignore(format!("the HTTP filter {:?} is not implemented, and optional", type_name(any)));
                Ok(Part::Passed)
            }
            None => Err(r.refuse(format!("the HTTP filter {:?} is not implemented", type_name(any)))),
        }
    })
}

fn terminal(r: &mut Reader<'_>, any: &Any, position: Position) -> Read<Option<Part>> {
    if position == Position::Downstream && holds::<Router>(any) {
        return r.unpack(any, |r, p| Ok(Some(Part::Terminal(Box::new(router::read(r, p)?)))));
    }
    if position == Position::Upstream && holds::<UpstreamCodec>(any) {
        return r.unpack(any, |_, UpstreamCodec {}| Ok(Some(Part::Terminal(Box::default()))));
    }
    Ok(None)
}

/// Reads the configuration of a built-in filter; `None`: there is no such filter here.
pub(crate) fn config(r: &mut Reader<'_>, any: &Any) -> Read<Option<HttpFilterConfig>> {
    if holds::<HttpFault>(any) {
        return r.unpack(any, |r, p| Ok(Some(HttpFilterConfig::Fault(Arc::new(fault::read(r, p)?)))));
    }
    if holds::<HeaderMutation>(any) {
        return r.unpack(any, |r, p| {
            let HeaderMutation { mutations, most_specific_header_mutations_wins } = p;
            header_mutation::read(r, mutations.as_ref(), *most_specific_header_mutations_wins).map(Some)
        });
    }
    if holds::<Cors>(any) {
        // The filter itself has no policy: routes bring it.
        return r.unpack(any, |_, Cors {}| Ok(Some(HttpFilterConfig::Cors(Arc::default()))));
    }
    if holds::<http::cors::v3::CorsPolicy>(any) {
        return r.unpack(any, |r, p| Ok(Some(HttpFilterConfig::Cors(Arc::new(cors::policy(r, p)?)))));
    }
    if holds::<Rbac>(any) {
        return r.unpack(any, |r, p| Ok(Some(HttpFilterConfig::Rbac(Arc::new(rbac::http(r, p)?)))));
    }
    if holds::<SetFilterState>(any) {
        return r.unpack(any, |r, SetFilterState { on_request_headers, clear_route_cache }| {
            refuse_set!(r, "not implemented", clear_route_cache);
            let entries = r.each("on_request_headers", on_request_headers, filter_state::entry)?;
            Ok(Some(HttpFilterConfig::SetFilterState(Arc::new(crate::filter::SetFilterState { entries }))))
        });
    }
    if holds::<GrpcStats>(any) {
        return r.unpack(any, |r, p| {
            let GrpcStats {
                emit_filter_state,
                enable_upstream_stats,
                replace_dots_in_grpc_service_name,
                per_method_stat_specifier,
            } = p;
            ignore_set!(
                r,
                "gRPC counters are kept in one form",
                emit_filter_state,
                enable_upstream_stats,
                replace_dots_in_grpc_service_name,
                per_method_stat_specifier,
            );
            Ok(Some(HttpFilterConfig::GrpcStats))
        });
    }
    if holds::<HealthCheck>(any) {
        return r.unpack(any, |r, p| Ok(Some(HttpFilterConfig::HealthCheck(Arc::new(health_check(r, p)?)))));
    }
    if holds::<LocalRateLimit>(any) {
        return r.unpack(any, |r, p| {
            Ok(Some(HttpFilterConfig::LocalRateLimit(Arc::new(local_ratelimit::read(r, p)?))))
        });
    }
    if holds::<Buffer>(any) {
        return r.unpack(any, |r, p| buffer(r, p).map(Some));
    }
    of_istio(r, any)
}

/// Reads the configuration of a filter of Istio's.
fn of_istio(r: &mut Reader<'_>, any: &Any) -> Read<Option<HttpFilterConfig>> {
    use weft_proto::istio::{alpn, peer_metadata, stats};
    if holds::<peer_metadata::Config>(any) {
        return r.unpack(any, |r, p| {
            Ok(Some(HttpFilterConfig::PeerMetadata(Arc::new(istio::peer_metadata(r, p)?))))
        });
    }
    if holds::<alpn::FilterConfig>(any) {
        return r.unpack(any, |r, p| Ok(Some(HttpFilterConfig::Alpn(Arc::new(istio::alpn(r, p)?)))));
    }
    if holds::<stats::PluginConfig>(any) {
        return r.unpack(any, |r, p| Ok(Some(HttpFilterConfig::IstioStats(Arc::new(istio::stats(r, p)?)))));
    }
    Ok(None)
}

/// Reads the buffer filter.
pub(crate) fn buffer(r: &mut Reader<'_>, proto: &Buffer) -> Read<HttpFilterConfig> {
    let Buffer { max_request_bytes } = proto;
    match max_request_bytes.as_ref().map_or(0, |v| v.value) {
        0 => Err(r.refuse("max_request_bytes must be above 0")),
        most => Ok(HttpFilterConfig::Buffer(most)),
    }
}

fn health_check(r: &mut Reader<'_>, proto: &HealthCheck) -> Read<HealthCheckFilter> {
    let HealthCheck { pass_through_mode, cache_time, cluster_min_healthy_percentages, headers } = proto;
    refuse_set!(r, "not implemented", cluster_min_healthy_percentages);
    let Some(pass_through) = pass_through_mode else {
        return Err(r.refuse("pass_through_mode is required"));
    };
    if cache_time.is_some() && !pass_through.value {
        return Err(r.refuse_at("cache_time", "only with pass_through_mode"));
    }
    ignore_set!(r, "each check is passed on", cache_time);
    Ok(HealthCheckFilter {
        headers: r.each("headers", headers, super::matcher::header)?,
        pass_through: pass_through.value,
    })
}
