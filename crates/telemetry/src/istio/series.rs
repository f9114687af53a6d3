//! The series of Istio's metrics, bounded in number.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use weft_tables::istio::MetricChange;

use super::labels::{Call, Labels, Outcome, changed};
use crate::stats::{Counter, Histogram, Registry};

/// Sets of labels of a process by default. One of HTTP takes some 420 cells of the registry, so that
/// these are half of its room.
pub const DEFAULT_SET_LIMIT: usize = 5_000;
/// Sets beyond that for calls whose labels nobody outside can choose, so that those always count.
const RESERVED_SETS: usize = 500;

/// Which room a set of labels takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// Up to the limit: something in the labels was chosen by a peer.
    Common,
    /// Beyond it too: all of them are this proxy's own, and so few.
    Reserved,
}

/// The sets of labels that were made, for all workers.
#[derive(Debug)]
pub(crate) struct Sets {
    limit: usize,
    known: Mutex<HashSet<Labels>>,
}

impl Default for Sets {
    fn default() -> Self {
        Self { limit: DEFAULT_SET_LIMIT, known: Mutex::default() }
    }
}

impl Sets {
    /// Whether a set is known, or there is room for it.
    fn admit(&self, labels: &Labels, room: Room) -> bool {
        let limit = match room {
            Room::Common => self.limit,
            Room::Reserved => self.limit + RESERVED_SETS,
        };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.contains(labels) || (known.len() < limit && known.insert(labels.clone()))
    }
}

/// Handles of an HTTP call's metrics; `None`: configuration does not want it.
#[derive(Clone, Copy, Debug)]
pub struct HttpHandles {
    /// `istio_requests_total`.
    pub requests: Option<Counter>,
    /// `istio_request_duration_milliseconds`.
    pub duration: Option<Histogram>,
    /// `istio_request_bytes`.
    pub request_bytes: Option<Histogram>,
    /// `istio_response_bytes`.
    pub response_bytes: Option<Histogram>,
    /// `istio_request_messages_total`; of gRPC alone.
    pub request_messages: Option<Counter>,
    /// `istio_response_messages_total`; of gRPC alone.
    pub response_messages: Option<Counter>,
}

/// Handles of a TCP connection's metrics; `None`: configuration does not want it.
#[derive(Clone, Copy, Debug)]
pub struct TcpHandles {
    /// `istio_tcp_connections_opened_total`.
    pub opened: Option<Counter>,
    /// `istio_tcp_connections_closed_total`.
    pub closed: Option<Counter>,
    /// `istio_tcp_sent_bytes_total`: to the client.
    pub sent: Option<Counter>,
    /// `istio_tcp_received_bytes_total`: from the client.
    pub received: Option<Counter>,
}

/// The handles of an HTTP call; `None`: there is no room for another set of labels.
pub fn http(
    registry: &Registry,
    call: &Call<'_>,
    outcome: &Outcome<'_>,
    changes: &[MetricChange],
    room: Room,
) -> Option<HttpHandles> {
    let whom = call.labels();
    let all: Labels = whom.iter().cloned().chain(outcome.labels()).collect();
    if !registry.istio.admit(&all, room) {
        return None;
    }
    let messages = |metric| match outcome.grpc_status {
        Some(_) => counter(registry, metric, &whom, changes),
        None => None,
    };
    Some(HttpHandles {
        requests: counter(registry, "requests_total", &all, changes),
        duration: histogram(registry, "request_duration_milliseconds", &all, changes),
        request_bytes: histogram(registry, "request_bytes", &all, changes),
        response_bytes: histogram(registry, "response_bytes", &all, changes),
        request_messages: messages("request_messages_total"),
        response_messages: messages("response_messages_total"),
    })
}

/// The handles of a TCP connection; `None`: there is no room for another set of labels.
pub fn tcp(
    registry: &Registry,
    call: &Call<'_>,
    outcome: &Outcome<'_>,
    changes: &[MetricChange],
    room: Room,
) -> Option<TcpHandles> {
    let all: Labels = call.labels().into_iter().chain(outcome.labels()).collect();
    registry.istio.admit(&all, room).then(|| TcpHandles {
        opened: counter(registry, "tcp_connections_opened_total", &all, changes),
        closed: counter(registry, "tcp_connections_closed_total", &all, changes),
        sent: counter(registry, "tcp_sent_bytes_total", &all, changes),
        received: counter(registry, "tcp_received_bytes_total", &all, changes),
    })
}

fn counter(registry: &Registry, metric: &str, labels: &Labels, changes: &[MetricChange]) -> Option<Counter> {
    let labels = changed(labels, metric, changes)?;
    Some(registry.labelled_counter(&format!("istio_{metric}"), &borrowed(&labels)))
}

fn histogram(
    registry: &Registry,
    metric: &str,
    labels: &Labels,
    changes: &[MetricChange],
) -> Option<Histogram> {
    let labels = changed(labels, metric, changes)?;
    Some(registry.labelled_histogram(&format!("istio_{metric}"), &borrowed(&labels)))
}

fn borrowed(labels: &Labels) -> Vec<(&str, &str)> {
    labels.iter().map(|(name, value)| (&**name, &**value)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::{Party, Protocol, Reporter, Security, Service};
    use super::*;
    use crate::stats::{Filter, prometheus};

    fn call(service: &str) -> Call<'_> {
        let source = Party { workload: "productpage-v1", namespace: "shop", ..Party::default() };
        let destination = Party { workload: "reviews-v2", canonical_revision: "v2", ..Party::default() };
        let service = Service { host: service, name: "reviews", namespace: "shop" };
        Call { reporter: Reporter::Source, source, destination, service }
    }

    fn outcome(code: u16) -> Outcome<'static> {
        Outcome { protocol: Protocol::Http, code, grpc_status: None, flags: "-", security: Security::Unknown }
    }

    #[test]
    fn a_call_has_istios_names_and_labels() {
        let registry = Registry::new();
        let shard = registry.shard();
        let handles =
            http(&registry, &call("reviews.shop.svc.cluster.local"), &outcome(200), &[], Room::Common)
                .unwrap();
        shard.inc(handles.requests.unwrap());
        shard.record(handles.duration.unwrap(), 12);
        assert!(handles.request_messages.is_none());
        let page = prometheus::render(&registry.snapshot(&Filter::default()));
        let line = page.lines().find(|l| l.starts_with("istio_requests_total{")).unwrap();
        assert_eq!(
            line,
            "istio_requests_total{reporter=\"source\",source_workload=\"productpage-v1\",\
             source_canonical_service=\"unknown\",source_canonical_revision=\"latest\",\
             source_workload_namespace=\"shop\",source_principal=\"unknown\",source_app=\"unknown\",\
             source_version=\"unknown\",source_cluster=\"unknown\",destination_workload=\"reviews-v2\",\
             destination_workload_namespace=\"unknown\",destination_principal=\"unknown\",\
             destination_app=\"unknown\",destination_version=\"unknown\",\
             destination_service=\"reviews.shop.svc.cluster.local\",\
             destination_canonical_service=\"unknown\",destination_canonical_revision=\"v2\",\
             destination_service_name=\"reviews\",destination_service_namespace=\"shop\",\
             destination_cluster=\"unknown\",request_protocol=\"http\",response_code=\"200\",\
             grpc_response_status=\"\",response_flags=\"-\",connection_security_policy=\"unknown\"} 1"
        );
        assert!(page.contains("istio_request_duration_milliseconds_bucket{"));
        assert!(page.contains("le=\"25\"} 1"));
    }

    #[test]
    fn sets_are_bounded_and_known_ones_always_found() {
        let mut registry = Registry::new();
        registry.istio.limit = 2;
        for (code, fits) in [(200, true), (503, true), (404, false), (200, true)] {
            let handles = http(&registry, &call("a"), &outcome(code), &[], Room::Common);
            assert_eq!(handles.is_some(), fits, "{code}");
        }
        assert!(http(&registry, &call("a"), &outcome(404), &[], Room::Reserved).is_some());
    }

    #[test]
    fn changes_drop_metrics_and_set_and_remove_labels() {
        let registry = Registry::new();
        let changes = [
            MetricChange { metric: "request_bytes".into(), drop: true, ..MetricChange::default() },
            MetricChange {
                set: vec![("region".into(), "eu".into()), ("reporter".into(), "r".into())],
                remove: vec!["source_principal".into()],
                ..MetricChange::default()
            },
        ];
        let handles = http(&registry, &call("a"), &outcome(200), &changes, Room::Common).unwrap();
        assert!(handles.request_bytes.is_none() && handles.response_bytes.is_some());
        let page = prometheus::render(&registry.snapshot(&Filter::default()));
        let line = page.lines().find(|l| l.starts_with("istio_requests_total{")).unwrap();
        assert!(line.contains("region=\"eu\"") && line.contains("{reporter=\"r\""), "{line}");
        assert!(!line.contains("source_principal"), "{line}");
    }
}
