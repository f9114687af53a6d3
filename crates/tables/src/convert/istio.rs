//! Istio's extensions of Envoy.

use std::collections::HashMap;
use std::time::Duration;

use weft_proto::istio::alpn::{FilterConfig as Alpn, filter_config as alpn};
use weft_proto::istio::metadata_exchange::MetadataExchange;
use weft_proto::istio::peer_metadata::{Config as PeerMetadata, config as peer};
use weft_proto::istio::stats::{self, PluginConfig, Reporter};

use super::reader::{Read, Reader};
use super::unset::ignore_set;
use crate::istio;

/// Metrics that a change can name, without `istio_`.
const METRICS: &[&str] = &[
    "requests_total",
    "request_duration_milliseconds",
    "request_bytes",
    "response_bytes",
    "request_messages_total",
    "response_messages_total",
    "tcp_connections_opened_total",
    "tcp_connections_closed_total",
    "tcp_sent_bytes_total",
    "tcp_received_bytes_total",
];

/// The ALPN name that agrees on an exchange of metadata over TCP. Who offers or takes it must speak it,
/// or its bytes would reach the application.
pub(crate) const PEER_EXCHANGE: &str = "istio-peer-exchange";

/// Reads the peer metadata filter.
pub(crate) fn peer_metadata(r: &mut Reader<'_>, proto: &PeerMetadata) -> Read<istio::PeerMetadata> {
    let PeerMetadata {
        downstream_discovery,
        upstream_discovery,
        downstream_propagation,
        upstream_propagation,
        shared_with_upstream,
        additional_labels,
    } = proto;
    ignore_set!(r, "no filter toward endpoints reads it", shared_with_upstream);
    Ok(istio::PeerMetadata {
        learn_downstream: learned(r, "downstream_discovery", downstream_discovery)?,
        learn_upstream: learned(r, "upstream_discovery", upstream_discovery)?,
        tell_downstream: told(r, "downstream_propagation", downstream_propagation)?,
        tell_upstream: told(r, "upstream_propagation", upstream_propagation)?,
        labels: additional_labels.iter().map(|label| label.as_str().into()).collect(),
    })
}

/// Whether the headers are looked at.
fn learned(r: &mut Reader<'_>, field: &'static str, methods: &[peer::DiscoveryMethod]) -> Read<bool> {
    use peer::discovery_method::MethodSpecifier;
    let found = r.each(field, methods, |r, peer::DiscoveryMethod { method_specifier }| {
        match method_specifier {
            Some(MethodSpecifier::IstioHeaders(peer::IstioHeaders { skip_external_clusters })) => {
                ignore_set!(r, "it is about what is told", skip_external_clusters);
                return Ok(true);
            }
            Some(MethodSpecifier::WorkloadDiscovery(peer::WorkloadDiscovery {})) => {
                r.ignore_at("workload_discovery", "peers are known by headers, certificate and endpoint");
            }
            Some(MethodSpecifier::Baggage(peer::Baggage {})) => r.ignore_at("baggage", "out of use"),
            None => r.ignore("no method is named"),
        }
        Ok(false)
    })?;
    Ok(found.contains(&true))
}

/// Whether and how the headers are written.
fn told(
    r: &mut Reader<'_>,
    field: &'static str,
    methods: &[peer::PropagationMethod],
) -> Read<Option<istio::Telling>> {
    use peer::propagation_method::MethodSpecifier;
    let found = r.each(field, methods, |r, peer::PropagationMethod { method_specifier }| {
        Ok(match method_specifier {
            Some(MethodSpecifier::IstioHeaders(peer::IstioHeaders { skip_external_clusters })) => {
                Some(istio::Telling { skip_external: *skip_external_clusters })
            }
            None => {
                r.ignore("no method is named");
                None
            }
        })
    })?;
    Ok(found.into_iter().flatten().next())
}

/// Reads the ALPN filter.
pub(crate) fn alpn(r: &mut Reader<'_>, proto: &Alpn) -> Read<istio::AlpnOverrides> {
    let Alpn { alpn_override } = proto;
    let mut overrides = istio::AlpnOverrides::default();
    r.each("alpn_override", alpn_override, |r, entry| {
        let alpn::AlpnOverride { upstream_protocol, alpn_override } = entry;
        let names = r.each("alpn_override", alpn_override, |r, name| match name.as_str() {
            "" => Err(r.refuse("an ALPN name is not empty")),
            // Both ends would have to speak it.
            PEER_EXCHANGE => {
                r.ignore(NOT_OFFERED);
                Ok(None)
            }
            name => Ok(Some(name.to_owned())),
        })?;
        let list = names.into_iter().flatten().collect::<Vec<_>>().join(",");
        let place = match r.choice::<alpn::Protocol>("upstream_protocol", *upstream_protocol)? {
            alpn::Protocol::Http10 => &mut overrides.http10,
            alpn::Protocol::Http11 => &mut overrides.http11,
            alpn::Protocol::Http2 => &mut overrides.http2,
        };
        // The last entry for a version counts.
        *place = Some(list).filter(|list| !list.is_empty()).map(Into::into);
        Ok(())
    })?;
    Ok(overrides)
}

/// Why [`PEER_EXCHANGE`] is taken out of a list.
pub(crate) const NOT_OFFERED: &str = "it is not offered: metadata is not exchanged over TCP here";

/// Reads the exchange of metadata over TCP, which is not spoken.
pub(crate) fn metadata_exchange(r: &mut Reader<'_>, proto: &MetadataExchange) {
    let MetadataExchange { protocol, enable_discovery, additional_labels } = proto;
    r.ignore(
        "metadata is not exchanged over TCP, and its ALPN name not offered: peers of TCP connections are \
         known by certificate and endpoint",
    );
    if protocol != PEER_EXCHANGE {
        r.ignore_at("protocol", format!("Istio's is {PEER_EXCHANGE:?}"));
    }
    ignore_set!(r, "see above", enable_discovery, additional_labels);
}

/// Reads the metrics filter.
pub(crate) fn stats(r: &mut Reader<'_>, proto: &PluginConfig) -> Read<istio::IstioStats> {
    let PluginConfig {
        disable_host_header_fallback,
        tcp_reporting_duration,
        metrics,
        definitions,
        reporter,
        rotation_interval,
        graceful_deletion_interval,
    } = proto;
    ignore_set!(r, "series are kept", rotation_interval, graceful_deletion_interval);
    ignore_set!(r, "metrics of one's own need CEL, which is not evaluated", definitions);
    if r.choice::<Reporter>("reporter", *reporter)? == Reporter::ServerGateway {
        return Err(r.refuse_at("reporter", "waypoints are not implemented"));
    }
    let default = istio::IstioStats::default();
    Ok(istio::IstioStats {
        host_fallback: !disable_host_header_fallback,
        tcp_report: r
            .duration("tcp_reporting_duration", tcp_reporting_duration.as_ref())?
            .or(default.tcp_report)
            .filter(|time| *time >= Duration::from_millis(1)),
        changes: r.each("metrics", metrics, change)?,
    })
}

fn change(r: &mut Reader<'_>, proto: &stats::MetricConfig) -> Read<istio::MetricChange> {
    let stats::MetricConfig { dimensions, name, tags_to_remove, r#match, drop } = proto;
    ignore_set!(r, "it never was of effect", r#match);
    if !name.is_empty() && !METRICS.contains(&name.as_str()) {
        r.ignore_at("name", format!("there is no metric istio_{name}"));
    }
    Ok(istio::MetricChange {
        metric: name.as_str().into(),
        drop: *drop,
        set: set(r, dimensions),
        remove: tags_to_remove.iter().map(|tag| tag.as_str().into()).collect(),
    })
}

/// Labels with a fixed value. Other expressions are not evaluated, and the label stays as it is.
fn set(r: &mut Reader<'_>, dimensions: &HashMap<String, String>) -> Vec<(Box<str>, Box<str>)> {
    let mut labels: Vec<_> = dimensions.iter().collect();
    labels.sort_unstable();
    let mut fixed = Vec::new();
    for (label, expression) in labels {
        match literal(expression) {
            Some(text) => fixed.push((label.as_str().into(), text.into())),
            None => r.key("dimensions", label, |r| {
                r.ignore("CEL is not evaluated: only quoted texts are taken");
            }),
        }
    }
    fixed
}

/// The text of a quoted string without escapes.
fn literal(expression: &str) -> Option<&str> {
    let text = expression.trim();
    let quote = text.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let inner = text.strip_prefix(quote)?.strip_suffix(quote)?;
    (!inner.contains([quote, '\\'])).then_some(inner)
}
