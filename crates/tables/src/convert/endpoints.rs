//! Endpoints.

use std::sync::Arc;

use super::address::{self, Names};
use super::metadata;
use super::reader::{Read, Reader};
use super::share;
use super::unset::{ignore_set, refuse_set};
use crate::cluster::{Endpoint, Endpoints, Health, Locality, LocalityEndpoints};
use crate::pb::envoy::config::core::v3::{self as core, HealthStatus};
use crate::pb::envoy::config::endpoint::v3::{self as proto, cluster_load_assignment as assignment};
use proto::lb_endpoint::HostIdentifier;
use proto::locality_lb_endpoints::LbConfig;

/// Default of `overprovisioning_factor`, percent.
const OVERPROVISIONING: u32 = 140;
/// Highest priority number that Envoy takes.
const MAX_PRIORITY: u32 = 128;

/// Reads an assignment.
pub(crate) fn read(
    r: &mut Reader<'_>,
    proto: &proto::ClusterLoadAssignment,
    names: Names,
) -> Read<Endpoints> {
    let proto::ClusterLoadAssignment { cluster_name: _, endpoints, named_endpoints, policy } = proto;
    refuse_set!(r, "Envoy does not implement it either", named_endpoints);
    let localities = r.each("endpoints", endpoints, |r, p| locality(r, p, names))?;
    let policy = r.maybe("policy", policy.as_ref(), read_policy)?;
    let (overprovisioning, drop_overloads) = policy.unwrap_or((OVERPROVISIONING, Vec::new()));
    Ok(Endpoints { localities, overprovisioning, drop_overloads })
}

type Drops = Vec<(Box<str>, weft_types::FractionalPercent)>;

fn read_policy(r: &mut Reader<'_>, proto: &assignment::Policy) -> Read<(u32, Drops)> {
    let assignment::Policy {
        drop_overloads,
        overprovisioning_factor,
        endpoint_stale_after,
        weighted_priority_health,
    } = proto;
    ignore_set!(r, "endpoints stay until they are replaced", endpoint_stale_after);
    refuse_set!(r, "not implemented", weighted_priority_health);
    let factor = r.bounded(
        "overprovisioning_factor",
        overprovisioning_factor.as_ref(),
        OVERPROVISIONING,
        1..=u32::MAX,
    )?;
    let drops = r.each("drop_overloads", drop_overloads, |r, p| {
        let assignment::policy::DropOverload { category, drop_percentage } = p;
        let share = r.maybe("drop_percentage", drop_percentage.as_ref(), share::fraction)?;
        Ok((r.text("category", category)?.into(), share.unwrap_or(weft_types::FractionalPercent::NEVER)))
    })?;
    Ok((factor, drops))
}

fn locality(r: &mut Reader<'_>, proto: &proto::LocalityLbEndpoints, names: Names) -> Read<LocalityEndpoints> {
    let proto::LocalityLbEndpoints {
        locality,
        metadata,
        lb_endpoints,
        load_balancing_weight,
        priority,
        proximity,
        lb_config,
    } = proto;
    ignore_set!(r, "nothing reads it", metadata);
    ignore_set!(r, "Envoy does not implement it either", proximity);
    if *priority > MAX_PRIORITY {
        return Err(r.refuse_at("priority", format!("{priority} is above {MAX_PRIORITY}")));
    }
    let read = |r: &mut Reader<'_>, p: &_| endpoint(r, p, names).map(Arc::new);
    let endpoints = match lb_config {
        None => r.each("lb_endpoints", lb_endpoints, read)?,
        Some(LbConfig::LoadBalancerEndpoints(list)) => r.within("load_balancer_endpoints", |r| {
            let proto::locality_lb_endpoints::LbEndpointList { lb_endpoints } = list;
            r.each("lb_endpoints", lb_endpoints, read)
        })?,
        Some(LbConfig::LedsClusterLocalityConfig(_)) => {
            return Err(r.refuse_at("leds_cluster_locality_config", "not implemented"));
        }
    };
    let weight = match load_balancing_weight {
        None => None,
        Some(_) => {
            Some(r.bounded("load_balancing_weight", load_balancing_weight.as_ref(), 1, 1..=u32::MAX)?)
        }
    };
    Ok(LocalityEndpoints {
        locality: locality.as_ref().map(place).unwrap_or_default(),
        priority: *priority,
        weight,
        endpoints,
    })
}

fn place(proto: &core::Locality) -> Locality {
    let core::Locality { region, zone, sub_zone } = proto;
    Locality {
        region: region.as_str().into(),
        zone: zone.as_str().into(),
        sub_zone: sub_zone.as_str().into(),
    }
}

fn endpoint(r: &mut Reader<'_>, proto: &proto::LbEndpoint, names: Names) -> Read<Endpoint> {
    let proto::LbEndpoint { health_status, metadata, load_balancing_weight, host_identifier } = proto;
    let health = match r.choice("health_status", *health_status)? {
        HealthStatus::Unknown => Health::Unknown,
        HealthStatus::Healthy => Health::Healthy,
        HealthStatus::Unhealthy => Health::Unhealthy,
        HealthStatus::Draining => Health::Draining,
        HealthStatus::Timeout => Health::Timeout,
        HealthStatus::Degraded => Health::Degraded,
    };
    let weight = r.bounded("load_balancing_weight", load_balancing_weight.as_ref(), 1, 1..=u32::MAX)?;
    let (address, hostname) = match host_identifier {
        Some(HostIdentifier::Endpoint(endpoint)) => r.within("endpoint", |r| host(r, endpoint, names))?,
        Some(HostIdentifier::EndpointName(_)) => {
            return Err(r.refuse_at("endpoint_name", "Envoy does not implement it either"));
        }
        None => return Err(r.refuse("an endpoint is required")),
    };
    let (metadata, _) = metadata::read(r, metadata.as_ref());
    Ok(Endpoint { address, hostname, health, weight, metadata })
}

fn host(
    r: &mut Reader<'_>,
    proto: &proto::Endpoint,
    names: Names,
) -> Read<(crate::address::SocketAddress, Box<str>)> {
    let proto::Endpoint { address, health_check_config, hostname, additional_addresses, observability_name } =
        proto;
    ignore_set!(r, "an endpoint has one address: the first", additional_addresses);
    ignore_set!(r, "endpoints are named by address", observability_name);
    r.maybe("health_check_config", health_check_config.as_ref(), |r, config| {
        let proto::endpoint::HealthCheckConfig { port_value, hostname, address, disable_active_health_check } =
            config;
        refuse_set!(r, "not implemented", port_value, hostname, address, disable_active_health_check);
        Ok(())
    })?;
    let address = r.need("address", address.as_ref(), |r, p| address::read(r, p, names))?;
    Ok((address, hostname.as_str().into()))
}
