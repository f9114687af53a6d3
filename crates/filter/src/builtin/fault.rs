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
    /// The delay is over or did not come; the abort is next.
    delayed: bool,
    /// The fault that this request counts for, given back at its end.
    counted: Option<Arc<Shared>>,
}

impl FaultFilter {
    pub(crate) fn new(config: Arc<Fault>) -> Self {
        Self { config, delayed: false, counted: None }
    }

    fn applies(&self, head: &RequestHead, cx: &Context) -> bool {
        let fault = &self.config;
        let cluster =
            fault.upstream_cluster.is_empty() || cx.cluster_name.as_deref() == Some(&*fault.upstream_cluster);
        let node = fault.downstream_nodes.is_empty()
            || head
                .headers
                .get_str("x-envoy-downstream-service-node")
                .is_some_and(|n| fault.downstream_nodes.iter().any(|d| **d == *n));
        cluster && node && fault.headers.iter().all(|m| m.matches(head))
    }

    /// How long to wait, if this request is to wait.
    fn delay(&self, head: &RequestHead, dice: &mut dyn Random) -> Option<Duration> {
        let delay = self.config.delay?;
        let share = match delay.fixed {
            Some(_) => delay.share,
            None => lowered(delay.share, head, "x-envoy-fault-delay-request-percentage"),
        };
        if !share.includes(dice.next_u64()) {
            return None;
        }
        let header = || number(head, "x-envoy-fault-delay-request").map(Duration::from_millis);
        delay.fixed.or_else(header).filter(|time| !time.is_zero())
    }

    /// What to answer with, if this request is to be aborted.
    fn abort(&self, head: &RequestHead, dice: &mut dyn Random) -> Option<LocalReply> {
        let abort = self.config.abort?;
        let by_header = abort.kind == AbortKind::Header;
        let share = if by_header {
            lowered(abort.share, head, "x-envoy-fault-abort-request-percentage")
        } else {
            abort.share
        };
        if !share.includes(dice.next_u64()) {
            return None;
        }
        let mut reply = LocalReply::new(200, "fault filter abort", "fault_filter_abort")
            .flag(ResponseFlag::FaultInjected);
        match abort.kind {
            AbortKind::Http(status) => reply.status = status,
            AbortKind::Grpc(status) => reply.grpc_status = Some(status),
            AbortKind::Header => match (http_status(head), grpc_status(head)) {
                (Some(status), _) => reply.status = status,
                (None, Some(status)) => reply.grpc_status = Some(status),
                (None, None) => return None,
            },
        }
        Some(reply)
    }

    /// Counts this request among the faults in progress, once; false if there are too many.
    fn begin(&mut self, cx: &mut Context) -> bool {
        if self.counted.is_some() {
            return true;
        }
        let most = self.config.max_active.unwrap_or(u32::MAX);
        let one_more = |active: u32| active.checked_add(1).filter(|_| active < most);
        if cx.shared.active_faults.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).is_err() {
            cx.count("fault.faults_overflow");
            return false;
        }
        self.counted = Some(cx.shared.clone());
        true
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
        if !self.delayed {
            if !self.applies(head, cx) {
                return Flow::Continue;
            }
            self.delayed = true;
            if let Some(time) = self.delay(head, dice)
                && self.begin(cx)
            {
                cx.flags.insert(ResponseFlag::DelayInjected);
                cx.count("fault.delays_injected");
                return Flow::Delay(time);
            }
        }
        match self.abort(head, dice) {
            Some(reply) if self.begin(cx) => {
                cx.count("fault.aborts_injected");
                Flow::Reply(Box::new(reply))
            }
            _ => Flow::Continue,
        }
    }
}

/// The share, lowered (never raised) by the client's header.
fn lowered(configured: FractionalPercent, head: &RequestHead, header: &str) -> FractionalPercent {
    let asked = number(head, header).map(|n| u32::try_from(n).unwrap_or(u32::MAX));
    let numerator = asked.map_or(configured.numerator, |asked| asked.min(configured.numerator));
    FractionalPercent { numerator, ..configured }
}

fn http_status(head: &RequestHead) -> Option<u16> {
    number(head, "x-envoy-fault-abort-request")
        .and_then(|status| u16::try_from(status).ok())
        .filter(|status| (200..600).contains(status))
}

fn grpc_status(head: &RequestHead) -> Option<u32> {
    number(head, "x-envoy-fault-abort-grpc-request").and_then(|status| u32::try_from(status).ok())
}

fn number(head: &RequestHead, name: &str) -> Option<u64> {
    head.headers.get_str(name).and_then(|v| v.trim().parse().ok())
}

#[cfg(test)]
mod tests;
