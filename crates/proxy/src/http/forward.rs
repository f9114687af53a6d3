//! Forwarding: cluster, retries, and what each attempt leads to.

use std::time::Duration;

use tokio::time::sleep;
use weft_balance::retry::{Attempt, Decision, Refusal, RetryState, Surroundings, consume_headers};
use weft_balance::{HostHandle, PickContext};
use weft_filter::LocalReply;
use weft_http::clock;
use weft_route::decide::RouteChoice;
use weft_route::timeout::{Timeouts, announce, timeouts_respecting};
use weft_route::{headers, rewrite};
use weft_state::Priority;
use weft_tables::route::{Forward, HostRewrite};
use weft_types::{Detail, ResponseFlag, ResponseHead};

use super::attempt::{AttemptEnd, Plan};
use super::deadline::Expired;
use super::exchange::{Downstream, Passage, Stop};
use super::failure::Failure;
use super::{mirror, strict, upgrade, values};

impl Passage {
    /// Sends the request to the route's cluster and the response back.
    pub(crate) async fn forward(&mut self, choice: &RouteChoice, forward: &Forward) -> Result<(), Stop> {
        let conn = self.down.conn.clone();
        let worker = &conn.worker;
        let cluster = match &choice.cluster {
            Some(name) => worker.cluster(name).await,
            None => None,
        };
        let Some(cluster) = cluster else {
            self.down.record.upstream.cluster = None;
            let mut reply =
                LocalReply::new(forward.cluster_not_found, "", "").flag(ResponseFlag::NoClusterFound);
            reply.detail = Detail::word("cluster_not_found").with_object(choice.route.provenance.clone());
            return Err(Stop::Reply(Box::new(reply)));
        };
        let router = &conn.manager.router;
        if let Some(reply) = strict::check(&router.strict_check_headers, &self.down.record.request) {
            return Err(Stop::Reply(Box::new(reply)));
        }
        if let Some(reply) = cluster.drop_overload(self.down.dice) {
            return Err(Stop::Reply(Box::new(reply)));
        }
        let policy = forward.retry.clone().or_else(|| choice.host.retry.clone());
        self.down.quiet_timeout =
            self.down.record.request.headers.remove("x-envoy-upstream-rq-timeout-alt-response") > 0;
        let head = &self.down.record.request;
        let respect = router.respect_expected_timeout;
        let longest = conn.manager.max_stream_duration;
        let limits = timeouts_respecting(forward, policy.as_deref(), longest, head, respect);
        let mut retry = RetryState::new(policy.as_deref(), &self.down.record.request);
        consume_headers(&mut self.down.record.request.headers);
        self.prepare_request(choice, forward, limits);
        let hashed = weft_balance::hash::request(
            &forward.hash_policies,
            &self.down.record.request,
            self.down.record.client,
            conn.facts.local,
        );
        self.down.set_cookies = hashed.set_cookies;
        let hash = hashed.hash;
        self.down.cluster = Some(cluster.clone());
        let plan = Plan {
            cluster: cluster.clone(),
            limits,
            priority: if forward.high_priority { Priority::High } else { Priority::Default },
            hash,
            subset: subset(choice, forward),
            auto_host: matches!(forward.host_rewrite, Some(HostRewrite::Endpoint)),
            keep_old_host: forward.append_x_forwarded_host,
            attempt_in_request: choice.host.attempt_count_in_request,
            attempt_in_response: choice.host.attempt_count_in_response,
            terminate_connect: self
                .down
                .upgrade
                .as_ref()
                .is_some_and(|u| upgrade::terminates_connect(u, choice)),
        };
        let buffer_limit = choice
            .route
            .request_body_buffer_limit
            .or(choice.host.request_body_buffer_limit)
            .map_or(conn.buffer_limit, |l| usize::try_from(l).unwrap_or(usize::MAX));
        if retry.is_some() || forward.internal_redirects.is_some() {
            self.body.keep_for_retry(buffer_limit);
        }
        self.body.mirrors = mirror::start(self, choice, forward, buffer_limit);
        // The route's limit stands in the place of the connection manager's, a shorter or a longer one.
        self.down.deadlines.set(Expired::MaxDuration, None);
        let start = self.down.record.start;
        self.down.deadlines.set(Expired::MaxStream, limits.max_stream.map(|limit| start + limit));
        self.attempts(&plan, retry.as_mut()).await
    }

    /// Header changes and rewrites, once for all attempts.
    fn prepare_request(&mut self, choice: &RouteChoice, forward: &Forward, limits: Timeouts) {
        let suppress = self.down.conn.manager.router.suppress_envoy_headers;
        announce(&mut self.down.record.request, &limits, suppress);
        if choice.host.attempt_count_in_request {
            self.down.record.request.headers.set("x-envoy-attempt-count", "1");
        }
        let Some(routes) = &self.down.routes else { return };
        if headers::changes_request(routes, choice) {
            let routes = routes.clone();
            let empty = Box::new(weft_types::RequestHead::get("", "/"));
            let mut head = std::mem::replace(&mut self.down.record.request, empty);
            headers::apply_request(&mut head, &routes, choice, &|now, template| {
                values::render(template, &self.down, Some(now), None)
            });
            self.down.record.request = head;
        }
        let head = &mut self.down.record.request;
        rewrite::restore_port(head, self.down.canonical.connect_port);
        rewrite::apply(head, &choice.route, forward, choice.weighted_cluster(), suppress);
    }

    /// Attempts until one ends the exchange.
    async fn attempts(&mut self, plan: &Plan, mut retry: Option<&mut RetryState>) -> Result<(), Stop> {
        loop {
            self.down.record.upstream.attempts += 1;
            let count = self.down.record.upstream.attempts;
            if plan.attempt_in_request && count > 1 {
                self.down.record.request.headers.set("x-envoy-attempt-count", count.to_string());
            }
            let host = self.down.pick(plan, retry.as_deref())?;
            if let Some(retry) = retry.as_deref_mut() {
                retry.attempted(&host);
            }
            match self.attempt(plan, &host, retry.as_deref_mut()).await? {
                AttemptEnd::Done => return Ok(()),
                AttemptEnd::Retry(after) => {
                    self.down.deadlines.set(Expired::PerTry, None);
                    self.down.deadlines.set(Expired::UpstreamMax, None);
                    self.down.deadlines.set_try_idle(None);
                    if !after.is_zero() {
                        self.down.guarded(sleep(after)).await?;
                    }
                    self.body.rewind();
                }
                AttemptEnd::Failed(failure) => {
                    let mut reply = failure.reply(count > 1);
                    if failure == Failure::MaxStreamDuration
                        && self.down.record.times.request_complete.is_none()
                    {
                        reply.status = 408;
                    }
                    self.down.charge(plan, reply.status);
                    reply.detail.object.clone_from(&plan.cluster.config().provenance);
                    return Err(Stop::Reply(Box::new(reply)));
                }
            }
        }
    }
}

impl Downstream {
    fn pick(&mut self, plan: &Plan, retry: Option<&RetryState>) -> Result<HostHandle, Stop> {
        let (tried, selection_attempts) = retry.map_or((&[][..], 0), RetryState::avoid);
        let context = PickContext {
            hash: plan.hash,
            subset: plan.subset.as_ref(),
            tried,
            selection_attempts,
            tried_priorities: retry.map_or(&[], RetryState::avoid_priorities),
            ..PickContext::new(clock::now().into_std())
        };
        let original = self.conn.original_destination(&self.record.request, plan.cluster.config());
        plan.cluster.pick(&context, original, &mut self.conn.worker.dice()).map_err(|reason| {
            plan.cluster.stats.inc(|s| s.upstream_cx_none_healthy);
            tracing::debug!(cluster = %plan.cluster.config().name, %reason, "no endpoint");
            let mut reply = LocalReply::new(503, "no healthy upstream", "no_healthy_upstream")
                .flag(ResponseFlag::NoHealthyUpstream);
            reply.detail.object.clone_from(&plan.cluster.config().provenance);
            Stop::Reply(Box::new(reply))
        })
    }
}

/// The endpoint subset that the decision wants.
fn subset(choice: &RouteChoice, forward: &Forward) -> Option<weft_tables::cluster::Metadata> {
    let mut wanted = forward.subset.clone();
    if let Some(weighted) = choice.weighted_cluster() {
        wanted.extend(weighted.subset.iter().map(|(k, v)| (k.clone(), v.clone())));
    }
    (!wanted.is_empty()).then_some(wanted)
}

/// How an attempt finished, before anything went to the client.
pub(crate) enum Finished<'a> {
    /// A response head came.
    Head(&'a ResponseHead),
    /// None came.
    Failed(&'a Failure),
}

/// Whether the attempt is followed by another, and after which time.
pub(crate) fn judge(
    retry: Option<&mut RetryState>,
    finished: &Finished<'_>,
    plan: &Plan,
    down: &mut Downstream,
    replayable: bool,
) -> Option<Duration> {
    let retry = retry?;
    let attempt = match finished {
        Finished::Head(head) => Attempt::Response(head),
        Finished::Failed(Failure::PerTryTimeout) => Attempt::PerTryTimeout { request_started: true },
        Finished::Failed(failure) => {
            Attempt::Reset { reset: failure.as_reset(), request_started: !failure.before_request() }
        }
    };
    if !replayable {
        plan.cluster.stats.inc(|s| s.retry_or_shadow_abandoned);
        return None;
    }
    let surroundings = Surroundings {
        resources: plan.cluster.state.resources(plan.priority),
        breakers: plan.cluster.breakers(plan.priority),
        wall_time: clock::wall(),
    };
    let stats = &plan.cluster.stats;
    match retry.decide(&attempt, &surroundings, &mut down.conn.worker.dice()) {
        Decision::Retry { after, .. } => {
            stats.inc(|s| s.upstream_rq_retry);
            Some(after)
        }
        Decision::No(Refusal::NotRetriable { after_retry }) => {
            if after_retry {
                stats.inc(|s| s.upstream_rq_retry_success);
            }
            None
        }
        Decision::No(Refusal::Exhausted) => {
            stats.inc(|s| s.upstream_rq_retry_limit_exceeded);
            down.record.flag(ResponseFlag::UpstreamRetryLimitExceeded);
            None
        }
        Decision::No(Refusal::Overflow) => {
            stats.inc(|s| s.upstream_rq_retry_overflow);
            down.record.flag(ResponseFlag::UpstreamOverflow);
            None
        }
    }
}
