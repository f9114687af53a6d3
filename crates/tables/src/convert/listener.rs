//! Listeners.

use std::time::Duration;

use weft_types::Direction;

use super::reader::{Read, Reader, bool_or, u32_or};
use super::unset::{ignore_set, refuse_set};
use super::{access_log, address, chain, chain_match, cluster, listener_filter, metadata};
use crate::address::SocketAddress;
use crate::chain::ChainTable;
use crate::listener::{Listener, ListenerFilter};
use crate::pb::envoy::config::core::v3::TrafficDirection;
use crate::pb::envoy::config::listener::v3::{self as proto, listener};

/// Default of `listener_filters_timeout`.
const FILTERS_TIMEOUT: Duration = Duration::from_secs(15);
/// Default of `tcp_backlog_size`: what Linux gives since 5.4 (`net.core.somaxconn`).
const BACKLOG: u32 = 4096;
/// Default of `per_connection_buffer_limit_bytes`.
pub(crate) const BUFFER_LIMIT: u32 = 1024 * 1024;

/// Reads a listener.
pub(crate) fn read(r: &mut Reader<'_>, proto: &proto::Listener) -> Read<Listener> {
    let proto::Listener {
        name,
        address,
        additional_addresses,
        stat_prefix,
        stats_matcher,
        filter_chains,
        fcds_config,
        filter_chain_matcher,
        use_original_dst,
        default_filter_chain,
        per_connection_buffer_limit_bytes,
        per_connection_buffer_high_watermark_timeout,
        metadata,
        deprecated_v1,
        drain_type,
        listener_filters,
        listener_filters_timeout,
        continue_on_listener_filters_timeout,
        transparent,
        freebind,
        socket_options,
        tcp_fast_open_queue_length,
        traffic_direction,
        udp_listener_config,
        api_listener,
        connection_balance_config,
        reuse_port,
        enable_reuse_port,
        access_log,
        tcp_backlog_size,
        max_connections_to_accept_per_socket_event,
        bind_to_port,
        enable_mptcp,
        ignore_global_conn_limit,
        bypass_overload_manager,
        tcp_keepalive,
        listener_specifier,
    } = proto;
    refuse_set!(
        r,
        "not implemented",
        fcds_config,
        filter_chain_matcher,
        per_connection_buffer_high_watermark_timeout,
        deprecated_v1,
        socket_options,
        udp_listener_config,
        api_listener,
    );
    if bool_or(freebind.as_ref(), false) {
        r.refuse_at("freebind", "not implemented");
    }
    ignore_set!(
        r,
        "it tunes the system, and changes no outcome",
        tcp_fast_open_queue_length,
        connection_balance_config,
        max_connections_to_accept_per_socket_event,
        enable_mptcp,
        reuse_port,
    );
    ignore_set!(r, "all counters are kept", stats_matcher);
    ignore_set!(r, "listeners drain only when they are removed or changed", drain_type);
    ignore_set!(r, "there is no such limit", ignore_global_conn_limit, bypass_overload_manager);

    let addresses = addresses(r, name, address.as_ref(), additional_addresses, listener_specifier.as_ref())?;
    let read = r.each("listener_filters", listener_filters, listener_filter::read)?.into_iter().flatten();
    let (mut filters, mut unless) = (Vec::new(), Vec::new());
    for (filter, disabled) in read {
        unless.extend(disabled.map(|test| (filter.clone(), test)));
        filters.push(filter);
    }
    let mut chains = Vec::with_capacity(filter_chains.len());
    let mut refused = None;
    for (index, one) in filter_chains.iter().enumerate() {
        match r.item("filter_chains", index, |r| chain::read(r, one)) {
            Ok(read) => {
                if read.proxy_protocol && !filters.contains(&PROXY_PROTOCOL) {
                    filters.push(PROXY_PROTOCOL);
                }
                chains.push((read.matches, read.chain));
            }
            Err(refusal) => refused = Some(refusal),
        }
    }
    let default = r.maybe("default_filter_chain", default_filter_chain.as_ref(), |r, chain| {
        refuse_set_match(r, chain);
        chain::read(r, chain)
    })?;
    if let Some(refusal) = refused {
        return Err(refusal);
    }
    chain_match::refuse_overlaps(r, &chains)?;
    if chains.is_empty() && default.is_none() {
        return Err(r.refuse("a listener needs at least one filter chain"));
    }
    let use_original_dst = bool_or(use_original_dst.as_ref(), false);
    complete_filters(&mut filters, use_original_dst, &chains);
    Ok(Listener {
        name: name.as_str().into(),
        stat_prefix: match stat_prefix.as_str() {
            "" => addresses.first().map(ToString::to_string).unwrap_or_default().into(),
            prefix => prefix.into(),
        },
        direction: match r.choice("traffic_direction", *traffic_direction)? {
            TrafficDirection::Unspecified => Direction::Unspecified,
            TrafficDirection::Inbound => Direction::Inbound,
            TrafficDirection::Outbound => Direction::Outbound,
        },
        bind_to_port: bool_or(bind_to_port.as_ref(), true) && listener_specifier.is_none(),
        use_original_dst,
        transparent: bool_or(transparent.as_ref(), false),
        reuse_port: bool_or(enable_reuse_port.as_ref(), true),
        backlog: u32_or(tcp_backlog_size.as_ref(), BACKLOG),
        filters,
        unless,
        filters_timeout: r.limit(
            "listener_filters_timeout",
            listener_filters_timeout.as_ref(),
            Some(FILTERS_TIMEOUT),
        )?,
        continue_on_timeout: *continue_on_listener_filters_timeout,
        chains: ChainTable { chains, default: default.map(|read| read.chain) },
        buffer_limit: u32_or(per_connection_buffer_limit_bytes.as_ref(), BUFFER_LIMIT),
        keepalive: r.maybe("tcp_keepalive", tcp_keepalive.as_ref(), cluster::keepalive)?,
        access_log: access_log::list(r, "access_log", access_log)?,
        provenance: metadata::provenance_of(r, metadata.as_ref()),
        addresses,
        // Last: every source has been read by then.
        fetch_timeout: r.fetch_timeout(),
    })
}

/// What `use_proxy_proto` of a chain stands for.
const PROXY_PROTOCOL: ListenerFilter = ListenerFilter::ProxyProtocol { optional: false };

fn addresses(
    r: &mut Reader<'_>,
    name: &str,
    address: Option<&crate::pb::envoy::config::core::v3::Address>,
    more: &[proto::AdditionalAddress],
    specifier: Option<&listener::ListenerSpecifier>,
) -> Read<Vec<SocketAddress>> {
    let read = |r: &mut Reader<'_>, p: &_| {
        let address = address::read(r, p, address::Names::Forbidden)?;
        match address {
            SocketAddress::Internal(_) => Err(r.refuse("a listener cannot bind an internal address")),
            address => Ok(address),
        }
    };
    if let Some(listener::ListenerSpecifier::InternalListener(listener::InternalListenerConfig {})) =
        specifier
    {
        if address.is_some() || !more.is_empty() {
            return Err(r.refuse_at("internal_listener", "not together with an address"));
        }
        return Ok(vec![SocketAddress::Internal(r.text("name", name)?.into())]);
    }
    let mut addresses = vec![r.need("address", address, read)?];
    addresses.extend(r.each("additional_addresses", more, |r, p| {
        let proto::AdditionalAddress { address, socket_options, tcp_keepalive } = p;
        refuse_set!(r, "not implemented", socket_options, tcp_keepalive);
        r.need("address", address.as_ref(), read)
    })?);
    Ok(addresses)
}

fn refuse_set_match(r: &mut Reader<'_>, chain: &proto::FilterChain) {
    let set = chain.filter_chain_match.as_ref().is_some_and(|m| *m != proto::FilterChainMatch::default());
    if set {
        r.ignore_at("filter_chain_match", "the default chain is taken when no other matches");
    }
}

/// Adds the filters that Envoy adds by itself: one for the original destination where it is used,
/// and a TLS inspector where a chain asks for what only it finds.
fn complete_filters(
    filters: &mut Vec<ListenerFilter>,
    use_original_dst: bool,
    chains: &[(crate::chain::ChainMatch, std::sync::Arc<crate::chain::FilterChain>)],
) {
    if use_original_dst && !filters.contains(&ListenerFilter::OriginalDst) {
        filters.push(ListenerFilter::OriginalDst);
    }
    let inspected = chains.iter().any(|(m, _)| {
        &*m.transport_protocol == "tls"
            || (m.transport_protocol.is_empty()
                && !(m.server_names.is_empty() && m.application_protocols.is_empty()))
    });
    if inspected && !filters.contains(&ListenerFilter::TlsInspector) {
        filters.push(ListenerFilter::TlsInspector);
    }
}
