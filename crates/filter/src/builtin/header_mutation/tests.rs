use weft_types::Headers;

use super::*;
use crate::testing::{Fixed, chain_of, context, filter, manager, per_filter, with};

fn lines(headers: &Headers) -> Vec<String> {
    headers
        .iter()
        .map(|(n, v)| format!("{}: {}", String::from_utf8_lossy(n), String::from_utf8_lossy(v)))
        .collect()
}

fn append(value: &str) -> String {
    format!("mutations: {{request_mutations: [{{append: {{header: {{key: x-o, value: {value}}}}}}}]}}")
}

fn levels(most_specific: bool) -> Vec<String> {
    let level = |value: &str| per_filter("m", "header_mutation.v3.HeaderMutationPerRoute", &append(value));
    let base = format!("{}, most_specific_header_mutations_wins: {most_specific}", append("filter"));
    let config = format!(
        "{}, virtual_hosts: [{{name: v, domains: ['*'], {}, routes: [{{match: {{prefix: /}}, {},
           route: {{weighted_clusters: {{clusters: [{{name: a, weight: 1, {}}}]}}}}}}]}}]",
        level("global"),
        level("host"),
        level("route"),
        level("weighted"),
    );
    let manager = manager(&filter("m", "header_mutation.v3.HeaderMutation", &base), &config);
    let mut head = with(&[]);
    chain_of(&manager, "/").request(0, &mut head, true, &mut context(), &mut Fixed(0));
    lines(&head.headers)
}

#[test]
fn every_level_applies_after_the_chain() {
    assert_eq!(levels(false), ["x-o: filter", "x-o: weighted", "x-o: route", "x-o: host", "x-o: global"]);
    assert_eq!(levels(true), ["x-o: filter", "x-o: global", "x-o: host", "x-o: route", "x-o: weighted"]);
}

#[test]
fn steps_run_one_after_another() {
    let steps = "mutations: {
        request_mutations: [
          {append: {header: {key: x-s, value: '1'}}}, {remove: x-s}, {append: {header: {key: x-s, value: '2'}}},
          {append: {header: {key: x-t, value: '%REQ(x-s)%'}}},
          {append: {header: {key: x-t, value: '3'}, append_action: ADD_IF_ABSENT}},
          {append: {header: {key: x-e, value: ''}}},
          {append: {header: {key: x-k, value: ''}, keep_empty_value: true}},
          {append: {header: {key: user-agent, value: u2}}}, {remove: accept}],
        response_mutations: [
          {append: {header: {key: r-q, value: '%REQ(x-s)%'}}}, {append: {header: {key: r-c, value: '%RESPONSE_CODE%'}}},
          {append: {header: {key: r-d, value: '%RESP(r-c)%'}}}, {remove: content-type}]}";
    let manager = manager(&filter("m", "header_mutation.v3.HeaderMutation", steps), "virtual_hosts: []");
    let mut chain = chain_of(&manager, "/");
    let mut head = with(&[("accept", "a"), ("user-agent", "u1")]);
    let mut cx = context();
    chain.request(0, &mut head, true, &mut cx, &mut Fixed(0));
    assert_eq!(lines(&head.headers), ["user-agent: u1,u2", "x-s: 2", "x-t: 2", "x-k: "]);
    let mut response = ResponseHead::new(201);
    response.headers.append("content-type", "text/plain");
    chain.response(0, &mut response, true, &mut cx);
    assert_eq!(lines(&response.headers), ["r-q: 2", "r-c: 201", "r-d: 201"]);
}
