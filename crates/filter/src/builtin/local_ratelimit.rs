//! Local rate limits.

use std::sync::Arc;

use weft_route::headers::{mutate, render};
use weft_tables::filter::LocalRateLimit;
use weft_types::{Name, Random, RequestHead, ResponseFlag};

use crate::seam::{Context, CountScope, Flow, HttpFilter, LocalReply};
use crate::values::RequestValues;

/// `envoy.filters.http.local_ratelimit`: a token for each request, else an answer.
#[derive(Debug)]
pub(crate) struct LocalRateLimitFilter {
    config: Arc<LocalRateLimit>,
}

impl LocalRateLimitFilter {
    pub(crate) fn new(config: Arc<LocalRateLimit>) -> Self {
        Self { config }
    }

    fn reply(&self, head: &RequestHead) -> Flow {
        let mut reply = LocalReply::new(self.config.status, "local_rate_limited", "local_rate_limited")
            .flag(ResponseFlag::RateLimited);
        for mutation in &self.config.response_headers {
            let value = render(&mutation.value, &RequestValues(head));
            mutate(&mut reply.headers, mutation, &value);
        }
        Flow::Reply(Box::new(reply))
    }
}

impl HttpFilter for LocalRateLimitFilter {
    fn on_request(
        &mut self,
        head: &mut RequestHead,
        _: bool,
        cx: &mut Context,
        dice: &mut dyn Random,
    ) -> Flow {
        if !self.config.enabled.includes(dice.next_u64()) {
            return Flow::Continue;
        }
        // Without a clock no bucket can be asked: a limit that lets everything pass would be worse.
        let Some(now) = cx.now else { return self.reply(head) };
        let limiter = cx.shared.limiters.of(&self.config, now);
        let mut count = |name: &Name| cx.named_counts.push((CountScope::Process, name.clone(), 1));
        count(&limiter.enabled);
        if limiter.try_take(now) {
            count(&limiter.ok);
            return Flow::Continue;
        }
        count(&limiter.rate_limited);
        if !self.config.enforced.includes(dice.next_u64()) {
            return Flow::Continue;
        }
        count(&limiter.enforced);
        self.reply(head)
    }
}

#[cfg(test)]
mod tests;
