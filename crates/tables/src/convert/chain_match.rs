//! The criteria of filter chains.

use std::sync::Arc;

use weft_match::CidrSet;

use super::matcher;
use super::reader::{Read, Reader};
use super::unset::refuse_set;
use crate::chain::{ChainMatch, FilterChain, SourceType};
use crate::pb::envoy::config::core::v3::CidrRange;
use crate::pb::envoy::config::listener::v3::{self as proto, filter_chain_match::ConnectionSourceType};

/// Reads the criteria.
pub(crate) fn read(r: &mut Reader<'_>, proto: &proto::FilterChainMatch) -> Read<ChainMatch> {
    let proto::FilterChainMatch {
        destination_port,
        prefix_ranges,
        address_suffix,
        suffix_len,
        direct_source_prefix_ranges,
        source_type,
        source_prefix_ranges,
        source_ports,
        server_names,
        transport_protocol,
        application_protocols,
    } = proto;
    refuse_set!(r, "Envoy does not implement it either", address_suffix, suffix_len);
    let destination_port = match destination_port {
        Some(port) => Some(r.port("destination_port", port.value)?),
        None => None,
    };
    Ok(ChainMatch {
        destination_port,
        destination: ranges(r, "prefix_ranges", prefix_ranges)?,
        server_names: r.each("server_names", server_names, server_name)?,
        transport_protocol: transport_protocol.as_str().into(),
        application_protocols: application_protocols.iter().map(|p| p.as_str().into()).collect(),
        source_type: match r.choice("source_type", *source_type)? {
            ConnectionSourceType::Any => SourceType::Any,
            ConnectionSourceType::SameIpOrLoopback => SourceType::SameIpOrLoopback,
            ConnectionSourceType::External => SourceType::External,
        },
        direct_source: ranges(r, "direct_source_prefix_ranges", direct_source_prefix_ranges)?,
        source: ranges(r, "source_prefix_ranges", source_prefix_ranges)?,
        source_ports: r.each("source_ports", source_ports, |r, port| match u16::try_from(*port) {
            Ok(port) if port != 0 => Ok(port),
            _ => Err(r.refuse(format!("{port} is not a port"))),
        })?,
    })
}

fn ranges(r: &mut Reader<'_>, field: &'static str, protos: &[CidrRange]) -> Read<CidrSet> {
    Ok(CidrSet::new(r.each(field, protos, matcher::range)?))
}

/// `*.suffix` is stored as `.suffix`; other wildcards are refused as Envoy does.
fn server_name(r: &mut Reader<'_>, name: &String) -> Read<Box<str>> {
    let lower = name.to_ascii_lowercase();
    let stored = match lower.strip_prefix("*.") {
        Some(_) => lower.get(1..).unwrap_or_default(),
        None => &lower,
    };
    if stored.contains('*') || stored.is_empty() {
        return Err(r.refuse(format!("{name:?}: only a whole first label can be a wildcard")));
    }
    Ok(stored.into())
}

/// Refuses two chains that some connection would match alike: Envoy does not take such a listener,
/// since only their order could decide.
pub(crate) fn refuse_overlaps(r: &mut Reader<'_>, chains: &[(ChainMatch, Arc<FilterChain>)]) -> Read<()> {
    for (index, (criteria, chain)) in chains.iter().enumerate() {
        let Some((at, (_, other))) =
            chains.iter().take(index).enumerate().find(|(_, (other, _))| overlap(criteria, other))
        else {
            continue;
        };
        return Err(r.item("filter_chains", index, |r| {
            let (name, other) = (&chain.name, &other.name);
            r.refuse(format!("chain {name:?} matches what filter_chains[{at}] ({other:?}) matches"))
        }));
    }
    Ok(())
}

/// Whether the two would meet in one leaf of Envoy's tree: at each criterion they share a value, or
/// both ask for none.
fn overlap(a: &ChainMatch, b: &ChainMatch) -> bool {
    a.destination_port == b.destination_port
        && a.transport_protocol == b.transport_protocol
        && a.source_type == b.source_type
        && share(a.destination.ranges(), b.destination.ranges())
        && share(&a.server_names, &b.server_names)
        && share(&a.application_protocols, &b.application_protocols)
        && share(a.direct_source.ranges(), b.direct_source.ranges())
        && share(a.source.ranges(), b.source.ranges())
        && share(&a.source_ports, &b.source_ports)
}

fn share<T: PartialEq>(a: &[T], b: &[T]) -> bool {
    (a.is_empty() && b.is_empty()) || a.iter().any(|value| b.contains(value))
}
