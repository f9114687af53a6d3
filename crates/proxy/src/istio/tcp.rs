//! A connection of opaque bytes, from its opening to its end.

use std::rc::Rc;
use std::time::Duration;

use weft_telemetry::istio::{Protocol, Reporter, TcpHandles, tcp};

use super::ends::{called, endpoint, reporter, tell};
use super::seen::{At, Peer, Principal, Seen};
use crate::listen::accepted::ConnFacts;
use crate::tcp::TcpRecord;
use crate::worker::Worker;

/// The metrics of one connection. What it is labelled with is settled when it opens.
#[derive(Debug)]
pub(crate) struct Report {
    worker: Rc<Worker>,
    handles: Option<TcpHandles>,
    /// Time between reports.
    pub(crate) period: Option<Duration>,
    /// Bytes reported so far, from the client and to it.
    reported: (u64, u64),
}

impl Report {
    /// The connection opens, or never did and ends; `None`: Istio's metrics are not in its chain.
    pub(crate) fn open(worker: &Rc<Worker>, facts: &ConnFacts, record: &TcpRecord) -> Option<Self> {
        let config = facts.istio.as_ref()?;
        let reporter = reporter(&facts.listener);
        let tls = match reporter {
            Reporter::Source => record.peer.as_deref(),
            Reporter::Destination => facts.peer.as_deref(),
        };
        let peer = match reporter {
            Reporter::Source => {
                endpoint(record.endpoint.as_ref().and_then(|host| host.endpoint.metadata.get("istio")))
            }
            Reporter::Destination => Peer::Unknown,
        };
        let tables = worker.tables();
        let cluster = record.cluster.as_ref().and_then(|name| tables.clusters.get(name));
        let seen = Seen {
            config: At(config.clone()),
            reporter,
            peer,
            peer_principal: Principal::peer(tls),
            local_principal: Principal::local(tls),
            called: called(config, "", cluster.map(|c| &**c), ""),
            protocol: Protocol::Tcp,
            code: 0,
            grpc_status: None,
            flags: record.flags,
        };
        let node = &worker.process.filter_shared.node.workload;
        let make = |seen: &Seen| {
            tell(seen, node, |call, outcome| {
                tcp(&worker.counting.registry, call, outcome, &seen.config.0.changes, seen.room())
            })
        };
        let mut known = worker.istio.tcp.borrow_mut();
        let mut handles = known.get(seen.clone(), make);
        if handles.is_none() {
            worker.counting.shard.inc(worker.istio.overflow);
            handles = known.get(seen.anonymous(), make);
        }
        drop(known);
        let report = Self { worker: worker.clone(), handles, period: config.tcp_report, reported: (0, 0) };
        if let Some(opened) = handles.and_then(|h| h.opened) {
            report.worker.counting.shard.inc(opened);
        }
        Some(report)
    }

    /// So many bytes came from the client and went to it, since the beginning.
    pub(crate) fn bytes(&mut self, received: u64, sent: u64) {
        let Some(handles) = self.handles else { return };
        let shard = &self.worker.counting.shard;
        if let Some(counter) = handles.received {
            shard.add(counter, received.saturating_sub(self.reported.0));
        }
        if let Some(counter) = handles.sent {
            shard.add(counter, sent.saturating_sub(self.reported.1));
        }
        self.reported = (received, sent);
    }

    /// The connection ended.
    pub(crate) fn close(mut self, record: &TcpRecord) {
        self.bytes(record.received, record.sent);
        if let Some(closed) = self.handles.and_then(|h| h.closed) {
            self.worker.counting.shard.inc(closed);
        }
    }
}
