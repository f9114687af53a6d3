//! Listener filters.

use super::reader::{Read, Reader, expanded, holds, type_name};
use super::unset::{ignore_set, refuse_set};
use crate::listener::{ListenerFilter, PortTest};
use crate::pb::envoy::config::listener::v3::listener_filter_chain_match_predicate::Rule;
use crate::pb::envoy::config::listener::v3::{self as proto, listener_filter::ConfigType};
use crate::pb::envoy::extensions::filters::listener::http_inspector::v3::HttpInspector;
use crate::pb::envoy::extensions::filters::listener::original_dst::v3::OriginalDst;
use crate::pb::envoy::extensions::filters::listener::proxy_protocol::v3::{
    ProxyProtocol, proxy_protocol::TlvLocation,
};
use crate::pb::envoy::extensions::filters::listener::tls_inspector::v3::TlsInspector;
use crate::pb::envoy::r#type::v3::Int32Range;

/// Most nested tests of a port.
const MAX_DEPTH: usize = 16;

/// Reads a listener filter, and for which connections it is passed over; `None`: one that always is.
pub(crate) fn read(
    r: &mut Reader<'_>,
    proto: &proto::ListenerFilter,
) -> Read<Option<(ListenerFilter, Option<PortTest>)>> {
    let proto::ListenerFilter { name, filter_disabled, config_type } = proto;
    r.text("name", name)?;
    let disabled = r.maybe("filter_disabled", filter_disabled.as_ref(), |r, test| port_test(r, test, 0))?;
    let any = match config_type {
        Some(ConfigType::TypedConfig(any)) => any,
        Some(ConfigType::ConfigDiscovery(_)) => {
            return Err(r.refuse_at("config_discovery", "not implemented"));
        }
        None => return Err(r.refuse("typed_config is required")),
    };
    let filter = r.within("typed_config", |r| {
        let any = &*expanded(r, any)?;
        if holds::<OriginalDst>(any) {
            r.unpack(any, |_, OriginalDst {}| Ok(Some(ListenerFilter::OriginalDst)))
        } else if holds::<HttpInspector>(any) {
            r.unpack(any, |_, HttpInspector {}| Ok(Some(ListenerFilter::HttpInspector)))
        } else if holds::<TlsInspector>(any) {
            r.unpack(any, |r, inspector| {
                tls_inspector(r, inspector);
                Ok(Some(ListenerFilter::TlsInspector))
            })
        } else if holds::<ProxyProtocol>(any) {
            r.unpack(any, proxy_protocol).map(Some)
        } else {
            Err(r.refuse(format!("the listener filter {:?} is not implemented", type_name(any))))
        }
    })?;
    Ok(filter.map(|filter| (filter, disabled)))
}

fn port_test(
    r: &mut Reader<'_>,
    proto: &proto::ListenerFilterChainMatchPredicate,
    depth: usize,
) -> Read<PortTest> {
    let proto::ListenerFilterChainMatchPredicate { rule } = proto;
    if depth > MAX_DEPTH {
        return Err(r.refuse("nested too deeply"));
    }
    let several = |r: &mut Reader<'_>,
                   proto::listener_filter_chain_match_predicate::MatchSet { rules }: &_| {
        if rules.len() < 2 {
            return Err(r.refuse("at least two rules are required"));
        }
        r.each("rules", rules, |r, rule| port_test(r, rule, depth + 1))
    };
    Ok(match rule {
        Some(Rule::OrMatch(set)) => PortTest::OneOf(r.within("or_match", |r| several(r, set))?),
        Some(Rule::AndMatch(set)) => PortTest::All(r.within("and_match", |r| several(r, set))?),
        Some(Rule::NotMatch(rule)) => {
            PortTest::Not(Box::new(r.within("not_match", |r| port_test(r, rule, depth + 1))?))
        }
        Some(Rule::AnyMatch(true)) => PortTest::Any,
        Some(Rule::AnyMatch(false)) => return Err(r.refuse_at("any_match", "must be true")),
        Some(Rule::DestinationPortRange(Int32Range { start, end })) => {
            match (u16::try_from(*start), u32::try_from(*end)) {
                (Ok(start), Ok(end)) if u32::from(start) < end && end <= 65_536 => {
                    PortTest::Within(start, end)
                }
                _ => return Err(r.refuse_at("destination_port_range", "not a range of ports")),
            }
        }
        None => return Err(r.refuse("a predicate needs a rule")),
    })
}

fn tls_inspector(r: &mut Reader<'_>, proto: &TlsInspector) {
    let TlsInspector {
        enable_ja3_fingerprinting,
        enable_ja4_fingerprinting,
        initial_read_buffer_size,
        close_connection_on_client_hello_parsing_errors,
        max_client_hello_size,
    } = proto;
    ignore_set!(r, "fingerprints are not taken", enable_ja3_fingerprinting, enable_ja4_fingerprinting);
    ignore_set!(r, "the inspector has limits of its own", initial_read_buffer_size, max_client_hello_size);
    refuse_set!(r, "not implemented", close_connection_on_client_hello_parsing_errors);
}

fn proxy_protocol(r: &mut Reader<'_>, proto: &ProxyProtocol) -> Read<ListenerFilter> {
    let ProxyProtocol {
        rules,
        allow_requests_without_proxy_protocol,
        pass_through_tlvs,
        disallowed_versions,
        stat_prefix,
        tlv_location,
    } = proto;
    ignore_set!(r, "extensions of the PROXY header are not kept", rules, pass_through_tlvs);
    refuse_set!(r, "not implemented", disallowed_versions);
    ignore_set!(r, "it only names counters", stat_prefix);
    if r.choice::<TlvLocation>("tlv_location", *tlv_location)? != TlvLocation::DynamicMetadata {
        r.ignore_at("tlv_location", "extensions of the PROXY header are not kept");
    }
    Ok(ListenerFilter::ProxyProtocol { optional: *allow_requests_without_proxy_protocol })
}
