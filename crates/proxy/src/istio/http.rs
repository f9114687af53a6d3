//! An HTTP exchange that ended.

use tokio::time::Instant;
use weft_filter::reply::grpc_status;
use weft_route::matching::is_grpc;
use weft_telemetry::istio::{HttpHandles, Protocol, Reporter, http};
use weft_types::Headers;

use super::ends::{called, endpoint, reporter, tell};
use super::seen::{At, Peer, Principal, Seen};
use crate::http::exchange::Downstream;

/// Counts an exchange, where Istio's metrics are in the chain.
pub(crate) fn count(down: &Downstream) {
    let Some(config) = &down.conn.istio else { return };
    let worker = &down.conn.worker;
    let (record, connection) = (&down.record, &down.conn.connection);
    let reporter = reporter(&connection.listener);
    let upstream = &record.upstream;
    let tls = match reporter {
        Reporter::Source => upstream.peer.as_deref(),
        Reporter::Destination => connection.peer.as_deref(),
    };
    let (told, messages) = down.filters.context(|cx| {
        let told = match reporter {
            Reporter::Source => cx.peers.upstream.clone(),
            Reporter::Destination => cx.peers.downstream.clone(),
        };
        (told, cx.messages)
    });
    let peer = match (told, reporter) {
        (Some(told), _) => Peer::Told(At(told)),
        (None, Reporter::Source) => {
            endpoint(upstream.endpoint.as_ref().and_then(|host| host.endpoint.metadata.get("istio")))
        }
        (None, Reporter::Destination) => Peer::Unknown,
    };
    let code = record.response.as_ref().map_or(0, |response| response.status);
    let grpc = is_grpc(&record.request);
    let cluster = down.cluster.as_ref().map(|cluster| cluster.config());
    let route = record.route.as_deref().unwrap_or_default();
    let seen = Seen {
        config: At(config.clone()),
        reporter,
        peer,
        peer_principal: Principal::peer(tls),
        local_principal: Principal::local(tls),
        called: called(config, route, cluster, &record.request.authority),
        protocol: if grpc { Protocol::Grpc } else { Protocol::Http },
        code,
        grpc_status: grpc.then(|| status_of_call(down, code)),
        flags: record.flags,
    };
    let shard = &worker.counting.shard;
    let make = |seen: &Seen| handles(down, seen);
    let mut known = worker.istio.http.borrow_mut();
    let mut handles = known.get(seen.clone(), make);
    if handles.is_none() {
        // No room for these labels: the call counts as one of somebody unknown.
        shard.inc(worker.istio.overflow);
        handles = known.get(seen.anonymous(), make);
    }
    let Some(handles) = handles else { return };
    let HttpHandles {
        requests,
        duration,
        request_bytes,
        response_bytes,
        request_messages,
        response_messages,
    } = handles;
    let took = record.times.downstream_complete.unwrap_or_else(Instant::now).duration_since(record.start);
    let wire = down.reply.counters();
    for (counter, by) in [(requests, 1), (request_messages, messages.0), (response_messages, messages.1)] {
        if let Some(counter) = counter {
            shard.add(counter, by);
        }
    }
    let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    for (histogram, value) in
        [(duration, millis), (request_bytes, wire.wire_received), (response_bytes, wire.wire_sent)]
    {
        if let Some(histogram) = histogram {
            shard.record(histogram, value);
        }
    }
}

fn handles(down: &Downstream, seen: &Seen) -> Option<HttpHandles> {
    let worker = &down.conn.worker;
    let node = &worker.process.filter_shared.node.workload;
    tell(seen, node, |call, outcome| {
        http(&worker.counting.registry, call, outcome, &seen.config.0.changes, seen.room())
    })
}

/// The status of a gRPC call: of the trailers, else the head, else what stands for the status of HTTP.
fn status_of_call(down: &Downstream, code: u16) -> u32 {
    let read = |fields: &Headers| fields.get_str("grpc-status").and_then(|s| s.trim().parse().ok());
    let record = &down.record;
    let in_trailers = record.trailers.as_ref().and_then(read);
    in_trailers
        .or_else(|| record.response.as_ref().and_then(|response| read(&response.headers)))
        .unwrap_or_else(|| grpc_status(code))
}
