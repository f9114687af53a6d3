//! Clusters.

use std::time::Duration;

use super::reader::{Read, Reader, bool_or, expanded, u32_or};
use super::unset::{ignore_set, refuse_set};
use super::{
    address, balancing, breakers, discovery, health_check, metadata, network_filter, outlier, transport,
    upstream_http,
};
use crate::cluster::{Cluster, Discovery, HealthCheck, Keepalive, LbPolicy, UpstreamVersion};
use crate::pb::envoy::config::cluster::v3 as proto;
use crate::pb::envoy::config::core::v3::{BindConfig, HealthCheck as HealthCheckProto, TcpKeepalive};

/// Default of `connect_timeout`.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Reads a cluster.
pub(crate) fn read(r: &mut Reader<'_>, proto: &proto::Cluster) -> Read<Cluster> {
    let proto::Cluster {
        transport_socket_matches,
        transport_socket_matcher,
        name,
        alt_stat_name,
        stats_matcher,
        eds_cluster_config,
        connect_timeout,
        per_connection_buffer_limit_bytes,
        per_connection_buffer_high_watermark_timeout,
        lb_policy,
        load_assignment,
        health_checks,
        max_requests_per_connection,
        circuit_breakers,
        upstream_http_protocol_options,
        common_http_protocol_options,
        http_protocol_options,
        http2_protocol_options,
        typed_extension_protocol_options,
        dns_refresh_rate,
        dns_jitter,
        dns_failure_refresh_rate,
        respect_dns_ttl,
        dns_lookup_family,
        dns_resolvers,
        use_tcp_for_dns_lookups,
        dns_resolution_config,
        typed_dns_resolver_config,
        wait_for_warm_on_init,
        outlier_detection,
        cleanup_interval,
        upstream_bind_config,
        lb_subset_config,
        common_lb_config,
        transport_socket,
        metadata,
        protocol_selection,
        upstream_connection_options,
        close_connections_on_host_health_failure,
        ignore_health_on_host_removal,
        filters,
        load_balancing_policy,
        lrs_server,
        lrs_report_endpoint_metrics,
        track_timeout_budgets,
        upstream_config,
        track_cluster_stats,
        preconnect_policy,
        connection_pool_per_downstream_connection,
        queuing_policies,
        cluster_discovery_type,
        lb_config,
    } = proto;
    r.text("name", name)?;
    refuse_set!(
        r,
        "not implemented",
        transport_socket_matcher,
        per_connection_buffer_high_watermark_timeout,
        ignore_health_on_host_removal,
        upstream_config,
        connection_pool_per_downstream_connection,
        queuing_policies,
    );
    ignore_set!(r, "all counters are kept", stats_matcher, track_timeout_budgets, track_cluster_stats);
    ignore_set!(r, "load is not reported", lrs_server, lrs_report_endpoint_metrics);
    ignore_set!(r, "connections are made when requests want them", preconnect_policy);
    ignore_set!(r, "a cluster serves when its endpoints are known", wait_for_warm_on_init);
    ignore_set!(r, "endpoints of unused destinations go by a rule of their own", cleanup_interval);
    r.each("filters", filters, upstream_filter)?;

    let dns = discovery::DnsFields {
        refresh: dns_refresh_rate.as_ref(),
        jitter: dns_jitter.as_ref(),
        failure: dns_failure_refresh_rate.as_ref(),
        respect_ttl: *respect_dns_ttl,
        family: *dns_lookup_family,
        resolvers: dns_resolvers,
        tcp: *use_tcp_for_dns_lookups,
        config: dns_resolution_config.as_ref(),
        typed: typed_dns_resolver_config.as_ref(),
    };
    let discovery = discovery::read(
        r,
        &discovery::Fields {
            name,
            kind: cluster_discovery_type.as_ref(),
            assignment: load_assignment.as_ref(),
            eds: eds_cluster_config.as_ref(),
            lb_config: lb_config.as_ref(),
            dns,
        },
    )?;
    let common =
        r.maybe("common_lb_config", common_lb_config.as_ref(), balancing::common)?.unwrap_or_default();
    let balancing = balancing::read(
        r,
        &balancing::Fields {
            policy: *lb_policy,
            config: lb_config.as_ref(),
            extensions: load_balancing_policy.as_ref(),
            subsets: lb_subset_config.as_ref(),
            common: &common,
        },
    )?;
    check_policy(r, &discovery, &balancing.policy)?;
    let (default_breakers, high_breakers) = breakers::read(r, circuit_breakers.as_ref())?;
    let transport = r.maybe("transport_socket", transport_socket.as_ref(), transport::upstream)?;
    let upstream = upstream_http::read(
        r,
        &upstream_http::Fields {
            typed: typed_extension_protocol_options,
            common: common_http_protocol_options.as_ref(),
            upstream: upstream_http_protocol_options.as_ref(),
            http1: http_protocol_options.as_ref(),
            http2: http2_protocol_options.as_ref(),
            protocol_selection: *protocol_selection,
        },
    )?;
    let options =
        r.maybe("upstream_connection_options", upstream_connection_options.as_ref(), connection_options)?;
    let provenance = metadata::provenance_of(r, metadata.as_ref());
    let (metadata, _) = metadata::read(r, metadata.as_ref());
    Ok(Cluster {
        name: name.as_str().into(),
        stat_name: if alt_stat_name.is_empty() { name } else { alt_stat_name }.as_str().into(),
        discovery,
        connect_timeout: r.positive("connect_timeout", connect_timeout.as_ref(), CONNECT_TIMEOUT)?,
        balancing,
        breakers: default_breakers,
        breakers_high: high_breakers,
        outlier: r.maybe("outlier_detection", outlier_detection.as_ref(), outlier::read)?,
        health_check: health_check(r, health_checks, upstream.http.version)?,
        transport: transport.unwrap_or_default(),
        transport_matches: r.each(
            "transport_socket_matches",
            transport_socket_matches,
            transport::matched,
        )?,
        http: upstream.http,
        idle_timeout: upstream.common.idle_timeout,
        max_requests_per_connection: match upstream.common.max_requests_per_connection {
            0 => u32_or(max_requests_per_connection.as_ref(), 0),
            most => most,
        },
        max_connection_duration: upstream.common.max_connection_duration,
        keepalive: options.flatten(),
        bind: r.maybe("upstream_bind_config", upstream_bind_config.as_ref(), bind)?.flatten(),
        buffer_limit: u32_or(per_connection_buffer_limit_bytes.as_ref(), super::listener::BUFFER_LIMIT),
        panic_threshold: common.panic_threshold,
        fail_on_panic: common.fail_on_panic,
        close_on_unhealthy: *close_connections_on_host_health_failure,
        metadata,
        provenance,
        // Last: every source has been read by then.
        fetch_timeout: r.fetch_timeout(),
    })
}

/// Refuses combinations that Envoy refuses.
fn check_policy(r: &mut Reader<'_>, discovery: &Discovery, policy: &LbPolicy) -> Read<()> {
    match (discovery, policy) {
        (Discovery::OriginalDst { .. }, LbPolicy::ClusterProvided) => Ok(()),
        (Discovery::OriginalDst { .. }, _) => {
            Err(r.refuse("a cluster of type ORIGINAL_DST needs lb_policy CLUSTER_PROVIDED"))
        }
        (_, LbPolicy::ClusterProvided) => {
            Err(r.refuse_at("lb_policy", "CLUSTER_PROVIDED is for clusters of type ORIGINAL_DST"))
        }
        _ => Ok(()),
    }
}

fn health_check(
    r: &mut Reader<'_>,
    protos: &[HealthCheckProto],
    version: UpstreamVersion,
) -> Read<Option<HealthCheck>> {
    let checks = r.each("health_checks", protos, |r, p| {
        let check = health_check::read(r, p)?;
        if check.probe.is_grpc() && version != UpstreamVersion::Http2 {
            return Err(r.refuse_at("grpc_health_check", "only for clusters that are spoken to by HTTP/2"));
        }
        Ok(check)
    })?;
    if checks.len() > 1 {
        return Err(r.refuse_at("health_checks", "a cluster has at most one"));
    }
    Ok(checks.into_iter().next())
}

fn upstream_filter(r: &mut Reader<'_>, proto: &proto::Filter) -> Read<()> {
    let proto::Filter { name, typed_config, config_discovery } = proto;
    refuse_set!(r, "not implemented", config_discovery);
    r.text("name", name)?;
    match typed_config {
        Some(any) => {
            let any = expanded(r, any)?;
            if network_filter::exchanges_metadata(r, &any)? {
                return Ok(());
            }
            Err(r.refuse("network filters toward endpoints are not implemented"))
        }
        None => Err(r.refuse("network filters toward endpoints are not implemented")),
    }
}

fn connection_options(
    r: &mut Reader<'_>,
    proto: &proto::UpstreamConnectionOptions,
) -> Read<Option<Keepalive>> {
    let proto::UpstreamConnectionOptions {
        tcp_keepalive,
        set_local_interface_name_on_upstream_connections,
        happy_eyeballs_config,
    } = proto;
    ignore_set!(r, "nothing reads it", set_local_interface_name_on_upstream_connections);
    ignore_set!(r, "an endpoint has one address", happy_eyeballs_config);
    r.maybe("tcp_keepalive", tcp_keepalive.as_ref(), keepalive)
}

/// Reads TCP keepalive.
pub(crate) fn keepalive(_r: &mut Reader<'_>, proto: &TcpKeepalive) -> Read<Keepalive> {
    let TcpKeepalive { keepalive_probes, keepalive_time, keepalive_interval } = proto;
    let seconds = |v: &crate::pb::google::protobuf::UInt32Value| Duration::from_secs(u64::from(v.value));
    Ok(Keepalive {
        probes: keepalive_probes.as_ref().map(|v| v.value),
        time: keepalive_time.as_ref().map(seconds),
        interval: keepalive_interval.as_ref().map(seconds),
    })
}

fn bind(r: &mut Reader<'_>, proto: &BindConfig) -> Read<Option<std::net::SocketAddr>> {
    let BindConfig {
        source_address,
        freebind,
        socket_options,
        extra_source_addresses,
        additional_source_addresses,
        local_address_selector,
        validate_network_namespaces,
    } = proto;
    refuse_set!(
        r,
        "not implemented",
        socket_options,
        extra_source_addresses,
        additional_source_addresses,
        local_address_selector,
        validate_network_namespaces,
    );
    if bool_or(freebind.as_ref(), false) {
        r.refuse_at("freebind", "not implemented");
    }
    r.maybe("source_address", source_address.as_ref(), address::bound)
}
