//! Answers health checks in place of the workload.

use std::sync::Arc;

use weft_tables::filter::HealthCheckFilter;
use weft_types::{Random, RequestHead};

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
    fn on_request(&mut self, head: &mut RequestHead, _: bool, _: &mut Context, _: &mut dyn Random) -> Flow {
        if !self.config.pass_through && self.config.headers.iter().all(|m| m.matches(head)) {
            return Flow::Reply(Box::new(LocalReply::new(200, "", "health_check_ok")));
        }
        Flow::Continue
    }
}
