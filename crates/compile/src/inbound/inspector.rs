//! What is looked at before a chain is chosen. A server that speaks first would wait for ever for bytes
//! of its client, so nobody looks at ports whose chains do not need it (SD-09).

use std::collections::BTreeMap;

use weft_model::MtlsMode;
use weft_proto::envoy::config::listener::v3::listener_filter_chain_match_predicate::{MatchSet, Rule};
use weft_proto::envoy::config::listener::v3::{ListenerFilter, ListenerFilterChainMatchPredicate};
use weft_proto::envoy::r#type::v3::Int32Range;

use super::Ground;
use super::port::InboundPort;
use super::shape::{Spoken, looks_for_http, shapes};

/// What chains need to know of the first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Looks {
    /// Whether they are TLS.
    pub(super) for_tls: bool,
    /// Whether they are HTTP.
    pub(super) for_http: bool,
}

/// What each port needs; the last is for all others.
pub(super) type ByPort = (BTreeMap<u16, Looks>, Looks);

/// A strict port is looked at as a permissive one is: if the looking changed with the mode, a proxy would
/// have to drain the whole listener for a change of one chain.
fn looks(spoken: Spoken, mode: MtlsMode) -> Looks {
    let shapes = shapes(spoken, if mode == MtlsMode::Strict { MtlsMode::Permissive } else { mode });
    Looks { for_tls: shapes.iter().any(|shape| shape.mtls), for_http: shapes.iter().any(looks_for_http) }
}

/// What the chains of a port need.
pub(super) fn of_port(ground: &Ground<'_>, port: &InboundPort) -> Looks {
    let looks = looks(Spoken::of(port.protocol), ground.mode(port));
    Looks { for_tls: looks.for_tls || port.tls.is_some(), ..looks }
}

/// What the chains of redirected ports need.
pub(super) fn by_port(ground: &Ground<'_>, ports: &[InboundPort]) -> ByPort {
    let passed = |mode: MtlsMode| looks(Spoken::Unknown, mode);
    let mut by_port: BTreeMap<u16, Looks> =
        ground.mtls.ports.iter().map(|(port, mode)| (*port, passed(*mode))).collect();
    by_port.extend(ports.iter().map(|port| (port.number, of_port(ground, port))));
    (by_port, passed(ground.mtls.default))
}

/// The filter for the ports that need it; `None` if none does.
pub(super) fn only_where(
    filter: ListenerFilter,
    (by_port, others): &ByPort,
    needs: impl Fn(&Looks) -> bool,
) -> Option<ListenerFilter> {
    let ports = |wanted: bool| -> Vec<u16> {
        by_port.iter().filter(|(_, looks)| needs(looks) == wanted).map(|(port, _)| *port).collect()
    };
    let filter_disabled =
        if needs(others) { one_of(&ports(false)) } else { Some(not(one_of(&ports(true))?)) };
    Some(ListenerFilter { filter_disabled, ..filter })
}

fn one_of(ports: &[u16]) -> Option<ListenerFilterChainMatchPredicate> {
    let mut rules: Vec<_> = ports
        .iter()
        .map(|port| {
            let start = i32::from(*port);
            predicate(Rule::DestinationPortRange(Int32Range { start, end: start + 1 }))
        })
        .collect();
    // Envoy wants two rules or more.
    if rules.len() > 1 { Some(predicate(Rule::OrMatch(MatchSet { rules }))) } else { rules.pop() }
}

fn not(test: ListenerFilterChainMatchPredicate) -> ListenerFilterChainMatchPredicate {
    predicate(Rule::NotMatch(Box::new(test)))
}

fn predicate(rule: Rule) -> ListenerFilterChainMatchPredicate {
    ListenerFilterChainMatchPredicate { rule: Some(rule) }
}
