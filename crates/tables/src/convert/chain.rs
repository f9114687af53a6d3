//! Filter chains.

use std::sync::Arc;

use super::network_filter::{self, Part};
use super::reader::{Read, Reader, bool_or};
use super::{chain_match, metadata, transport};
use crate::chain::{ChainMatch, FilterChain, Terminal};
use crate::pb::envoy::config::listener::v3 as proto;

/// A chain as it was read.
pub(crate) struct ReadChain {
    /// Its criteria.
    pub(crate) matches: ChainMatch,
    /// The chain.
    pub(crate) chain: Arc<FilterChain>,
    /// The listener must read a PROXY protocol header (`use_proxy_proto`).
    pub(crate) proxy_protocol: bool,
}

/// Reads a filter chain.
pub(crate) fn read(r: &mut Reader<'_>, proto: &proto::FilterChain) -> Read<ReadChain> {
    let proto::FilterChain {
        filter_chain_match,
        filters,
        use_proxy_proto,
        metadata,
        transport_socket,
        transport_socket_connect_timeout,
        name,
    } = proto;
    let matches = r.maybe("filter_chain_match", filter_chain_match.as_ref(), chain_match::read);
    let (filters, terminal) = network_filters(r, filters)?;
    let tls = r.maybe("transport_socket", transport_socket.as_ref(), transport::downstream)?;
    let chain = FilterChain {
        name: name.as_str().into(),
        tls: tls.flatten(),
        handshake_timeout: r.limit(
            "transport_socket_connect_timeout",
            transport_socket_connect_timeout.as_ref(),
            None,
        )?,
        filters,
        terminal,
        provenance: metadata::provenance_of(r, metadata.as_ref()),
    };
    Ok(ReadChain {
        matches: matches?.unwrap_or_default(),
        chain: Arc::new(chain),
        proxy_protocol: bool_or(use_proxy_proto.as_ref(), false),
    })
}

fn network_filters(
    r: &mut Reader<'_>,
    protos: &[proto::Filter],
) -> Read<(Vec<crate::filter::NetworkFilter>, Terminal)> {
    let parts = r.each("filters", protos, network_filter::read)?;
    let last = parts.len().saturating_sub(1);
    let mut filters = Vec::new();
    let mut terminal = None;
    for (index, part) in parts.into_iter().enumerate() {
        match part {
            Part::Terminal(end) if index == last => terminal = Some(end),
            Part::Terminal(_) => {
                return Err(r.item("filters", index, |r| r.refuse("a terminal filter must be the last one")));
            }
            Part::Filter(_) | Part::Passed if index == last => {
                return Err(r.item("filters", index, |r| {
                    r.refuse("the last filter must be a terminal one, such as tcp_proxy")
                }));
            }
            Part::Filter(filter) => filters.push(filter),
            Part::Passed => {}
        }
    }
    // Envoy accepts a chain without filters, and closes its connections.
    Ok((filters, terminal.unwrap_or(Terminal::Close)))
}
