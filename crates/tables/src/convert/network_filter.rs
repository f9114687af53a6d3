//! Network filters.

use std::sync::Arc;

use weft_proto::hbone::Terminate;
use weft_proto::istio::metadata_exchange::MetadataExchange;
use weft_proto::istio::stats::PluginConfig;

use super::reader::{Read, Reader, expanded, holds, type_name};
use super::unset::{ignore_set, refuse_set};
use super::{filter_state, hbone, hcm, istio, rbac, source, tcp_proxy};
use crate::chain::Terminal;
use crate::filter::NetworkFilter;
use crate::pb::envoy::config::listener::v3::{self as proto, filter::ConfigType};
use crate::pb::envoy::extensions::filters::network;
use crate::pb::google::protobuf::Any;
use network::connection_limit::v3::ConnectionLimit;
use network::direct_response::v3::Config as DirectResponse;
use network::echo::v3::Echo;
use network::http_connection_manager::v3::HttpConnectionManager;
use network::mongo_proxy::v3::MongoProxy;
use network::rbac::v3::{Rbac, rbac::EnforcementType};
use network::set_filter_state::v3::Config as SetFilterState;
use network::sni_cluster::v3::SniCluster;
use network::tcp_proxy::v3::TcpProxy;

/// Istio's extensions that only exchange metadata, in ways that are not spoken here.
const PASSED: &[&str] = &[
    "envoy.extensions.network_filters.peer_metadata.Config",
    "envoy.extensions.network_filters.peer_metadata.UpstreamConfig",
];

/// Istio's filter that notes who is at both ends (up to Istio 1.23). Its one option is whether connections
/// to endpoints share the notes, and nothing there reads them.
const AUTHN: &str = "io.istio.network.authn.Config";

/// What a network filter is in a chain.
pub(crate) enum Part {
    /// The end of the chain.
    Terminal(Terminal),
    /// A filter on the way.
    Filter(NetworkFilter),
    /// One that has no effect here.
    Passed,
}

/// Reads a network filter.
pub(crate) fn read(r: &mut Reader<'_>, proto: &proto::Filter) -> Read<Part> {
    let proto::Filter { name, config_type } = proto;
    r.text("name", name)?;
    match config_type {
        Some(ConfigType::TypedConfig(any)) => r.within("typed_config", |r| typed(r, any)),
        Some(ConfigType::ConfigDiscovery(_)) => Err(r.refuse_at("config_discovery", "not implemented")),
        None => Err(r.refuse("typed_config is required")),
    }
}

/// Whether a network filter only exchanges metadata, in a way that is not spoken here; then that is
/// noted.
pub(crate) fn exchanges_metadata(r: &mut Reader<'_>, any: &Any) -> Read<bool> {
    if holds::<MetadataExchange>(any) {
        r.unpack(any, |r, p| {
            istio::metadata_exchange(r, p);
            Ok(())
        })?;
        return Ok(true);
    }
    if PASSED.contains(&type_name(any)) {
        r.ignore("peer metadata is not exchanged by this filter here");
        return Ok(true);
    }
    Ok(false)
}

fn typed(r: &mut Reader<'_>, any: &Any) -> Read<Part> {
    let any = &*expanded(r, any)?;
    if holds::<HttpConnectionManager>(any) {
        return r.unpack(any, |r, p| Ok(Part::Terminal(Terminal::Http(Arc::new(hcm::read(r, p)?)))));
    }
    if holds::<TcpProxy>(any) {
        return r.unpack(any, |r, p| Ok(Part::Terminal(Terminal::Tcp(Arc::new(tcp_proxy::read(r, p)?)))));
    }
    if holds::<Echo>(any) {
        return r.unpack(any, |_, Echo {}| Ok(Part::Terminal(Terminal::Echo)));
    }
    if holds::<DirectResponse>(any) {
        return r.unpack(any, |r, DirectResponse { response }| {
            let bytes = r.maybe("response", response.as_ref(), source::bytes)?.unwrap_or_default();
            Ok(Part::Terminal(Terminal::DirectResponse(bytes.into())))
        });
    }
    if holds::<Terminate>(any) {
        return r.unpack(any, |r, p| Ok(Part::Terminal(Terminal::Hbone(hbone::terminal(r, p)?))));
    }
    if holds::<Rbac>(any) {
        return r.unpack(any, network_rbac).map(Part::Filter);
    }
    if holds::<ConnectionLimit>(any) {
        return r.unpack(any, connection_limit).map(Part::Filter);
    }
    if holds::<SniCluster>(any) {
        return r.unpack(any, |_, SniCluster {}| Ok(Part::Filter(NetworkFilter::SniCluster)));
    }
    if holds::<SetFilterState>(any) {
        return r.unpack(any, set_filter_state).map(Part::Filter);
    }
    if holds::<PluginConfig>(any) {
        return r
            .unpack(any, |r, p| Ok(Part::Filter(NetworkFilter::IstioStats(Arc::new(istio::stats(r, p)?)))));
    }
    if exchanges_metadata(r, any)? {
        return Ok(Part::Passed);
    }
    if holds::<MongoProxy>(any) {
        return r.unpack(any, |r, p| {
            mongo(r, p)?;
            Ok(Part::Passed)
        });
    }
    if type_name(any) == AUTHN {
        return Ok(Part::Filter(NetworkFilter::IstioAuthn));
    }
    Err(r.refuse(format!("the network filter {:?} is not implemented", type_name(any))))
}

/// Reads the filter that looks on at Mongo's messages: without a delay it only counts them.
fn mongo(r: &mut Reader<'_>, proto: &MongoProxy) -> Read<()> {
    let MongoProxy { stat_prefix, access_log, delay, emit_dynamic_metadata, commands, max_bson_depth } =
        proto;
    r.text("stat_prefix", stat_prefix)?;
    ignore_set!(r, "messages of Mongo are not read", access_log, commands, max_bson_depth);
    refuse_set!(r, "not implemented", delay);
    refuse_set!(r, "operations are not read, and policies about them would not hold", emit_dynamic_metadata);
    r.ignore("messages of Mongo are not counted");
    Ok(())
}

fn network_rbac(r: &mut Reader<'_>, proto: &Rbac) -> Read<NetworkFilter> {
    let Rbac {
        rules,
        matcher,
        shadow_rules,
        shadow_matcher,
        shadow_rules_stat_prefix,
        stat_prefix,
        enforcement_type,
        delay_deny,
    } = proto;
    refuse_set!(r, "not implemented", matcher);
    ignore_set!(r, "shadow matchers are not evaluated", shadow_matcher);
    ignore_set!(r, "a connection is denied at once", delay_deny);
    if r.choice::<EnforcementType>("enforcement_type", *enforcement_type)?
        != EnforcementType::OneTimeOnFirstByte
    {
        return Err(r.refuse_at("enforcement_type", "only ONE_TIME_ON_FIRST_BYTE is implemented"));
    }
    r.text("stat_prefix", stat_prefix)?;
    Ok(NetworkFilter::Rbac(Arc::new(crate::filter::Rbac {
        rules: r.maybe("rules", rules.as_ref(), rbac::rules)?,
        shadow: r.maybe("shadow_rules", shadow_rules.as_ref(), rbac::rules)?,
        shadow_stat_prefix: shadow_rules_stat_prefix.as_str().into(),
        stat_prefix: stat_prefix.as_str().into(),
    })))
}

fn connection_limit(r: &mut Reader<'_>, proto: &ConnectionLimit) -> Read<NetworkFilter> {
    let ConnectionLimit { stat_prefix, max_connections, delay, runtime_enabled } = proto;
    ignore_set!(r, "a connection above the limit is closed at once", delay);
    if let Some(flag) = runtime_enabled {
        let off = flag.default_value.as_ref().is_some_and(|v| !v.value);
        r.within("runtime_enabled", |r| super::share::runtime_key_unused(r, &flag.runtime_key));
        if off {
            return Err(r.refuse_at("runtime_enabled", "leave the filter out instead of disabling it"));
        }
    }
    let max = max_connections.as_ref().map_or(0, |v| v.value);
    if max == 0 {
        return Err(r.refuse("max_connections must be at least 1"));
    }
    Ok(NetworkFilter::ConnectionLimit { stat_prefix: r.text("stat_prefix", stat_prefix)?.into(), max })
}

fn set_filter_state(r: &mut Reader<'_>, proto: &SetFilterState) -> Read<NetworkFilter> {
    let SetFilterState { on_new_connection, on_downstream_tls_handshake, on_downstream_data } = proto;
    refuse_set!(r, "not implemented", on_downstream_tls_handshake, on_downstream_data);
    let entries = r.each("on_new_connection", on_new_connection, filter_state::entry)?;
    Ok(NetworkFilter::SetFilterState(Arc::new(crate::filter::SetFilterState { entries })))
}
