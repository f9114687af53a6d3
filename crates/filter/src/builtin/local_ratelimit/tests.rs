use std::time::Duration;

use super::*;
use crate::Chain;
use crate::testing::{Sequence, chain_of, context, filter, get, manager, per_filter, reply};

const TWO: &str = "token_bucket: {max_tokens: 2, tokens_per_fill: 1, fill_interval: 1s}";
const ON: &str = "filter_enabled: {default_value: {numerator: 100}, runtime_key: a},
                  filter_enforced: {default_value: {numerator: 100}, runtime_key: b}";

/// Chains of one configuration, which share its buckets.
struct Limited {
    manager: Arc<weft_tables::hcm::HttpManager>,
    cx: Context,
}

impl Limited {
    fn new(fields: &str) -> Self {
        let own =
            per_filter("l", "local_ratelimit.v3.LocalRateLimit", &format!("stat_prefix: own, {TWO}, {ON}"));
        let routes = format!(
            "virtual_hosts: [{{name: v, domains: ['*'], routes: [{{match: {{prefix: /own}}, route: {{cluster: a}}, {own}}},
               {{match: {{prefix: /}}, route: {{cluster: a}}}}]}}]"
        );
        let filter = filter("l", "local_ratelimit.v3.LocalRateLimit", &format!("stat_prefix: p, {fields}"));
        Self { manager: manager(&filter, &routes), cx: context() }
    }

    fn chain(&self, path: &str) -> Chain {
        chain_of(&self.manager, path)
    }

    fn get(&mut self, path: &str) -> Option<u16> {
        reply(&mut self.chain(path), &mut get(path), &mut self.cx).map(|r| r.status)
    }

    fn wait(&mut self, seconds: u64) {
        self.cx.now = self.cx.now.map(|now| now + Duration::from_secs(seconds));
    }

    fn counts(&self) -> Vec<&str> {
        self.cx.named_counts.iter().map(|(_, name, _)| name.rsplit('.').next().unwrap()).collect()
    }
}

#[test]
fn each_request_takes_a_token() {
    let mut limited = Limited::new(&format!("{TWO}, {ON}"));
    assert_eq!([limited.get("/"), limited.get("/"), limited.get("/")], [None, None, Some(429)]);
    limited.wait(1);
    assert_eq!([limited.get("/"), limited.get("/")], [None, Some(429)]);
    limited.wait(100);
    assert_eq!([limited.get("/"), limited.get("/"), limited.get("/")], [None, None, Some(429)]);
}

#[test]
fn a_route_has_a_bucket_of_its_own() {
    let mut limited = Limited::new(&format!("{TWO}, {ON}"));
    assert_eq!([limited.get("/"), limited.get("/"), limited.get("/")], [None, None, Some(429)]);
    assert_eq!([limited.get("/own"), limited.get("/own"), limited.get("/own")], [None, None, Some(429)]);
}

#[test]
fn the_answer_is_envoys() {
    let mut limited = Limited::new(&format!(
        "token_bucket: {{max_tokens: 1, fill_interval: 1s}}, {ON}, status: {{code: ServiceUnavailable}},
         response_headers_to_add: [{{header: {{key: x-lim, value: '%REQ(:method)%'}}}}]"
    ));
    assert_eq!(limited.get("/"), None);
    let answer = reply(&mut limited.chain("/"), &mut get("/"), &mut limited.cx).unwrap();
    assert_eq!((answer.status, &*answer.body), (503, &b"local_rate_limited"[..]));
    assert_eq!((&*answer.detail.word, answer.flags.to_string()), ("local_rate_limited", "RL".to_owned()));
    assert_eq!(answer.headers.get_str("x-lim"), Some("GET"));
    assert_eq!(limited.counts(), ["enabled", "ok", "enabled", "rate_limited", "enforced"]);
    assert_eq!(&*limited.cx.named_counts[0].1, "p.http_local_rate_limit.enabled");
}

#[test]
fn it_can_count_without_answering_and_be_off() {
    let mut shadow = Limited::new(&format!(
        "{TWO}, filter_enabled: {{default_value: {{numerator: 100}}, runtime_key: a}}"
    ));
    assert_eq!([shadow.get("/"), shadow.get("/"), shadow.get("/")], [None; 3]);
    assert_eq!(shadow.counts(), ["enabled", "ok", "enabled", "ok", "enabled", "rate_limited"]);
    let mut off = Limited::new(TWO);
    assert_eq!([off.get("/"), off.get("/"), off.get("/")], [None; 3]);
    assert!(off.counts().is_empty());
    let mut no_bucket = Limited::new(ON);
    assert_eq!([no_bucket.get("/"), no_bucket.get("/"), no_bucket.get("/")], [None; 3]);
}

#[test]
fn a_share_of_the_requests_is_looked_at() {
    let half = "filter_enabled: {default_value: {numerator: 50}, runtime_key: a},
                filter_enforced: {default_value: {numerator: 100}, runtime_key: b}";
    let limited = Limited::new(&format!("token_bucket: {{max_tokens: 1, fill_interval: 1s}}, {half}"));
    let mut cx = limited.cx;
    for (dice, answered) in [(10, false), (10, true), (90, false), (10, true)] {
        let flow = chain_of(&limited.manager, "/").request(
            0,
            &mut get("/"),
            true,
            &mut cx,
            &mut Sequence(vec![dice]),
        );
        assert_eq!(matches!(flow, Flow::Reply(_)), answered, "{flow:?}");
    }
}

#[test]
fn without_a_clock_nothing_passes() {
    let mut limited = Limited::new(&format!("{TWO}, {ON}"));
    limited.cx.now = None;
    assert_eq!(limited.get("/"), Some(429));
}
