//! Fault injection (VS-22).

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use weft_tables::filter::{AbortKind, Fault};
use weft_types::{FractionalPercent, Random, RequestHead, ResponseFlag};

use crate::seam::{Context, Flow, HttpFilter, LocalReply, Shared};

/// `envoy.filters.http.fault`: delay first, then abort, drawn independently.
#[derive(Debug)]
pub(crate) struct FaultFilter {
    config: Arc<Fault>,
    /// What is still to come after the delay.
    abort: Option<AbortKind>,
    delayed: bool,
    counted: Option<Shared>,
}

impl FaultFilter {
    pub(crate) fn new(config: Arc<Fault>) -> Self {
        Self { config, abort: None, delayed: false, counted: None }
    }

    fn applies(&self, head: &RequestHead, cx: &Context) -> bool {
        let fault = &self.config;
        let cluster = fault.upstream_cluster.is_empty()
            || cx.facts.cluster.as_deref() == Some(&*fault.upstream_cluster);
        let node = fault.downstream_nodes.is_empty()
            || head
                .headers
                .get_str("x-envoy-downstream-service-node")
                .is_some_and(|n| fault.downstream_nodes.iter().any(|d| **d == *n));
        cluster && node && fault.headers.iter().all(|m| m.matches(head))
    }

    fn begin(&mut self, cx: &Context) -> bool {
        let active = &cx.shared.active_faults;
        if self.counted.is_some() {
            return true;
        }
        if self.config.max_active.is_some_and(|max| active.load(Ordering::Relaxed) >= max) {
            return false;
        }
        active.fetch_add(1, Ordering::Relaxed);
        self.counted = Some(cx.shared.clone());
        true
    }

    fn abort(&mut self, kind: AbortKind, cx: &mut Context) -> Flow {
        if !self.begin(cx) {
            cx.counts.push(("fault.faults_overflow", 1));
            return Flow::Continue;
        }
        cx.counts.push(("fault.aborts_injected", 1));
        let mut reply = LocalReply::new(200, "fault filter abort", "fault_filter_abort")
            .flag(ResponseFlag::FaultInjected);
        match kind {
            AbortKind::Http(status) => reply.status = status,
            AbortKind::Grpc(status) => reply.grpc_status = Some(status),
            AbortKind::Header => return Flow::Continue,
        }
        Flow::Reply(Box::new(reply))
    }
}

impl Drop for FaultFilter {
    fn drop(&mut self) {
        if let Some(shared) = &self.counted {
            shared.active_faults.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl HttpFilter for FaultFilter {
    fn on_request(
        &mut self,
        head: &mut RequestHead,
        _end: bool,
        cx: &mut Context,
        dice: &mut dyn Random,
    ) -> Flow {
        // Called a second time after the delay it asked for.
        if self.delayed {
            return match self.abort.take() {
                Some(kind) => self.abort(kind, cx),
                None => Flow::Continue,
            };
        }
        if !self.applies(head, cx) {
            return Flow::Continue;
        }
        let config = self.config.clone();
        let abort = config
            .abort
            .filter(|a| {
                share(a.share, head, "x-envoy-fault-abort-request-percentage", config.header_control)
                    .includes(dice.next_u64())
            })
            .and_then(|a| abort_kind(a.kind, head));
        let delay = config
            .delay
            .filter(|d| {
                share(d.share, head, "x-envoy-fault-delay-request-percentage", config.header_control)
                    .includes(dice.next_u64())
            })
            .and_then(|d| d.fixed.or_else(|| milliseconds(head, "x-envoy-fault-delay-request")));
        if let Some(delay) = delay {
            if self.begin(cx) {
                self.delayed = true;
                self.abort = abort;
                cx.flags.insert(ResponseFlag::DelayInjected);
                cx.counts.push(("fault.delays_injected", 1));
                return Flow::Delay(delay);
            }
            cx.counts.push(("fault.faults_overflow", 1));
        }
        match abort {
            Some(kind) => self.abort(kind, cx),
            None => Flow::Continue,
        }
    }
}

/// The share, lowered (never raised) by the client's header where headers may control faults.
fn share(
    configured: FractionalPercent,
    head: &RequestHead,
    header: &str,
    header_control: bool,
) -> FractionalPercent {
    let asked =
        header_control.then(|| head.headers.get_str(header)).flatten().and_then(|v| v.parse::<u32>().ok());
    match asked {
        Some(asked) => FractionalPercent { numerator: asked.min(configured.numerator), ..configured },
        None => configured,
    }
}

fn abort_kind(kind: AbortKind, head: &RequestHead) -> Option<AbortKind> {
    if kind != AbortKind::Header {
        return Some(kind);
    }
    let number = |name: &str| head.headers.get_str(name).and_then(|v| v.parse::<u32>().ok());
    if let Some(status) = number("x-envoy-fault-abort-request").filter(|s| (200..600).contains(s)) {
        return u16::try_from(status).ok().map(AbortKind::Http);
    }
    number("x-envoy-fault-abort-grpc-request").map(AbortKind::Grpc)
}

fn milliseconds(head: &RequestHead, name: &str) -> Option<Duration> {
    head.headers.get_str(name).and_then(|v| v.parse().ok()).map(Duration::from_millis)
}
