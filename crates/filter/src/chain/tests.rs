use weft_types::ResponseHead;

use super::*;
use crate::testing::{Fixed, chain_of, context, filter, get, manager, per_filter};

fn mutation(value: &str) -> String {
    format!(
        "mutations: {{request_mutations: [{{append: {{header: {{key: x-o, value: {value:?}}}}}}}],
                      response_mutations: [{{append: {{header: {{key: r-o, value: {value:?}}}}}}}]}}"
    )
}

/// What the filters of the chain for a path add to requests and, in reverse, to responses.
fn order(manager: &weft_tables::hcm::HttpManager, path: &str) -> (Vec<String>, Vec<String>) {
    let mut chain = chain_of(manager, path);
    let (mut head, mut response, mut cx) = (get(path), ResponseHead::new(200), context());
    for index in 0..chain.len() {
        chain.request(index, &mut head, true, &mut cx, &mut Fixed(0));
    }
    for index in (0..chain.len()).rev() {
        chain.response(index, &mut response, true, &mut cx);
    }
    let all = |headers: &Headers, name: &[u8]| {
        headers.get_all(name).map(|v| String::from_utf8_lossy(v).into_owned()).collect()
    };
    (all(&head.headers, b"x-o"), all(&response.headers, b"r-o"))
}

fn header_mutation(name: &str, value: &str) -> String {
    filter(name, "header_mutation.v3.HeaderMutation", &mutation(value))
}

fn level(name: &str, value: &str) -> String {
    per_filter(name, "header_mutation.v3.HeaderMutationPerRoute", &mutation(value))
}

const OFF: &str = "typed_per_filter_config: {m: {'@type': type.googleapis.com/envoy.config.route.v3.FilterConfig, disabled: true}}";
const ON: &str = "typed_per_filter_config: {m: {'@type': type.googleapis.com/envoy.config.route.v3.FilterConfig, config: {}}}";

#[test]
fn requests_run_forward_and_responses_backward() {
    let filters =
        [header_mutation("one", "1"), header_mutation("two", "2"), header_mutation("three", "3")].join(",");
    let manager = manager(&filters, "virtual_hosts: []");
    let (request, response) = order(&manager, "/");
    assert_eq!(request, ["1", "2", "3"]);
    assert_eq!(response, ["3", "2", "1"]);
}

#[test]
fn a_level_turns_a_filter_off_or_on() {
    let routes = |host: &str| {
        format!(
            "virtual_hosts: [{{name: v, domains: ['*'], {host} routes: [
               {{match: {{prefix: /off}}, route: {{cluster: a}}, {OFF}}},
               {{match: {{prefix: /on}}, route: {{cluster: a}}, {ON}}},
               {{match: {{prefix: /}}, route: {{cluster: a}}}}]}}]"
        )
    };
    let runs =
        |filters: &str, host: &str, path: &str| !chain_of(&manager(filters, &routes(host)), path).is_empty();
    let plain = header_mutation("m", "1");
    let disabled = plain.replacen("{name: m,", "{name: m, disabled: true,", 1);
    assert!(runs(&plain, "", "/") && runs(&plain, "", "/on") && !runs(&plain, "", "/off"));
    assert!(!runs(&disabled, "", "/") && runs(&disabled, "", "/on") && !runs(&disabled, "", "/off"));
    // The route has the last word over its host.
    let host_off = format!("{OFF},");
    assert!(!runs(&plain, &host_off, "/") && runs(&plain, &host_off, "/on"));
    let host_on = format!("{ON},");
    assert!(runs(&disabled, &host_on, "/") && !runs(&disabled, &host_on, "/off"));
}

#[test]
fn settings_go_by_the_filters_name_in_the_chain() {
    let filters = [header_mutation("m", "1"), header_mutation("other", "2")].join(",");
    let config = format!(
        "virtual_hosts: [{{name: v, domains: ['*'], routes: [{{match: {{prefix: /}}, route: {{cluster: a}}, {}}}]}}]",
        level("other", "route")
    );
    assert_eq!(order(&manager(&filters, &config), "/").0, ["1", "2", "route"]);
}

#[test]
fn settings_of_another_kind_of_filter_count_for_nothing() {
    let fault =
        per_filter("m", "fault.v3.HTTPFault", "abort: {http_status: 503, percentage: {numerator: 100}}");
    let config = format!(
        "virtual_hosts: [{{name: v, domains: ['*'], routes: [{{match: {{prefix: /}}, route: {{cluster: a}}, {fault}}}]}}]"
    );
    assert_eq!(order(&manager(&header_mutation("m", "1"), &config), "/").0, ["1"]);
}

#[test]
fn without_a_route_only_the_chain_counts() {
    let config = format!("{}, virtual_hosts: []", level("m", "global"));
    assert_eq!(order(&manager(&header_mutation("m", "1"), &config), "/").0, ["1"]);
}

#[test]
fn filters_that_nobody_registered_are_left_out() {
    let configured = Configured {
        name: "x".into(),
        config: weft_tables::filter::HttpFilterConfig::Open(weft_tables::filter::OpenConfig {
            kind: "no such".into(),
            config: Bytes::new(),
        }),
        disabled: false,
    };
    assert!(Chain::build(&[configured], &[], &OpenFilters::default()).is_empty());
}
