//! Answers health checks in place of the workload.

use std::sync::Arc;

use weft_tables::filter::HealthCheckFilter;
use weft_types::{Random, RequestHead, ResponseFlag};

use crate::seam::{Context, Flow, HttpFilter, LocalReply};

/// `envoy.filters.http.health_check` without pass-through: matching requests get 200.
#[derive(Debug)]
pub(crate) struct HealthCheck {
    config: Arc<HealthCheckFilter>,
}

impl HealthCheck {
    pub(crate) fn new(config: Arc<HealthCheckFilter>) -> Self {
        Self { config }
    }
}

impl HttpFilter for HealthCheck {
    fn on_request(&mut self, head: &mut RequestHead, _: bool, cx: &mut Context, _: &mut dyn Random) -> Flow {
        if self.config.pass_through || !self.config.headers.iter().all(|m| m.matches(head)) {
            return Flow::Continue;
        }
        let failing = cx.shared.failing.load(std::sync::atomic::Ordering::Relaxed);
        let mut reply = if failing {
            LocalReply::new(503, "", "health_check_failed").flag(ResponseFlag::FailedLocalHealthCheck)
        } else {
            LocalReply::new(200, "", "health_check_ok")
        };
        if failing {
            reply.headers.append("x-envoy-immediate-health-check-fail", "true");
        }
        reply.headers.append("x-envoy-upstream-healthchecked-cluster", &*cx.shared.node_cluster);
        Flow::Reply(Box::new(reply))
    }
}
