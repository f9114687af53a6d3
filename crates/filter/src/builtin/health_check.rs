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

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use crate::testing::{chain, context, filter, get, reply};

    const CHECK: &str = "headers: [{name: ':path', string_match: {exact: /healthz}}]";

    fn checks(pass_through: bool) -> crate::Chain {
        let fields = format!("pass_through_mode: {pass_through}, {CHECK}");
        chain(&filter("h", "health_check.v3.HealthCheck", &fields), "match: {prefix: /}, route: {cluster: a}")
    }

    #[test]
    fn checks_are_answered_and_nothing_else() {
        let answer = reply(&mut checks(false), &mut get("/healthz"), &mut context()).unwrap();
        assert_eq!((answer.status, &*answer.detail.word), (200, "health_check_ok"));
        assert!(reply(&mut checks(false), &mut get("/other"), &mut context()).is_none());
        assert!(reply(&mut checks(true), &mut get("/healthz"), &mut context()).is_none());
    }

    #[test]
    fn a_process_that_is_told_to_fail_fails() {
        let mut cx = context();
        cx.shared.failing.store(true, Ordering::Relaxed);
        let answer = reply(&mut checks(false), &mut get("/healthz"), &mut cx).unwrap();
        assert_eq!((answer.status, answer.flags.to_string()), (503, "LH".to_owned()));
        assert_eq!(answer.headers.get_str("x-envoy-immediate-health-check-fail"), Some("true"));
    }
}
