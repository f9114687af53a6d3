use proptest::prelude::*;

use super::*;
use crate::decide::{Decision, decide};
use crate::matching::RequestFacts;
use crate::testing::routes;

/// Operators that read fields of a list.
struct Fields<'a>(&'a Headers);

impl OperatorValues for Fields<'_> {
    fn value(&self, name: &str, argument: &str) -> Option<Cow<'_, [u8]>> {
        matches!(name, "REQ" | "RESP").then(|| self.0.get(argument).map(Cow::Borrowed)).flatten()
    }
}

fn level(side: &str, value: &str) -> String {
    let option = |name: &str, action: &str| {
        format!("{{header: {{key: {name}, value: {value}}}, append_action: {action}}}")
    };
    format!(
        "{side}_headers_to_add: [{}, {}, {}, {}]",
        option("app", "APPEND_IF_EXISTS_OR_ADD"),
        option("ow", "OVERWRITE_IF_EXISTS_OR_ADD"),
        option("abs", "ADD_IF_ABSENT"),
        option("ife", "OVERWRITE_IF_EXISTS"),
    )
}

/// A configuration whose levels all change the same fields; `/w` is weighted.
fn levelled(side: &str, most_specific: bool) -> RouteConfig {
    routes(&format!(
        "most_specific_header_mutations_wins: {most_specific}, {}, virtual_hosts: [{{name: v, domains: ['*'], {},
         routes: [{{match: {{prefix: /w}}, {}, route: {{weighted_clusters: {{clusters: [{{name: a, weight: 1, {}}}]}}}}}},
                  {{match: {{prefix: /}}, {}, route: {{cluster: a}}}}]}}]",
        level(side, "global"),
        level(side, "host"),
        level(side, "route"),
        level(side, "weighted"),
        level(side, "route"),
    ))
}

fn choice(config: &RouteConfig, path: &str) -> RouteChoice {
    match decide(config, &RequestHead::get("h", path), &RequestFacts::default()) {
        Decision::Route(choice) => choice,
        other => panic!("{other:?}"),
    }
}

fn changed(config: &RouteConfig, path: &str, fields: &[(&str, &str)]) -> Vec<String> {
    let mut head = RequestHead::get("h", path);
    head.headers = fields.iter().copied().collect();
    apply_request(&mut head, config, &choice(config, path), &|h, t| render(t, &Fields(&h.headers)));
    lines(&head.headers)
}

fn lines(headers: &Headers) -> Vec<String> {
    headers
        .iter()
        .map(|(n, v)| format!("{}: {}", String::from_utf8_lossy(n), String::from_utf8_lossy(v)))
        .collect()
}

#[test]
fn the_least_specific_level_has_the_last_word() {
    let config = levelled("request", false);
    assert_eq!(
        changed(&config, "/", &[]),
        ["ow: global", "app: route", "abs: route", "app: host", "app: global"]
    );
    assert_eq!(
        changed(&config, "/", &[("app", "in"), ("ow", "in"), ("abs", "in"), ("ife", "in")]),
        ["app: in", "ow: global", "abs: in", "ife: global", "app: route", "app: host", "app: global"]
    );
    assert_eq!(
        changed(&config, "/w", &[]),
        ["ow: global", "app: weighted", "abs: weighted", "app: route", "app: host", "app: global"]
    );
}

#[test]
fn the_most_specific_level_wins_where_told_so_but_weighted_clusters_stay_first() {
    let config = levelled("request", true);
    assert_eq!(
        changed(&config, "/", &[]),
        ["ow: route", "app: global", "abs: global", "app: host", "app: route"]
    );
    assert_eq!(
        changed(&config, "/w", &[]),
        ["ow: route", "app: weighted", "abs: weighted", "app: global", "app: host", "app: route"]
    );
}

#[test]
fn responses_change_in_the_same_order() {
    for (most_specific, want) in [
        (false, ["ow: global", "app: route", "abs: route", "app: host", "app: global"]),
        (true, ["ow: route", "app: global", "abs: global", "app: host", "app: route"]),
    ] {
        let config = levelled("response", most_specific);
        let mut head = ResponseHead::new(200);
        apply_response(&mut head, &config, &choice(&config, "/"), &|h, t| render(t, &Fields(&h.headers)));
        assert_eq!(lines(&head.headers), want);
    }
}

#[test]
fn a_level_removes_then_overwrites_then_adds_by_what_was_there_before() {
    let config = routes(
        "virtual_hosts: [{name: v, domains: ['*'], routes: [{match: {prefix: /}, route: {cluster: a},
           request_headers_to_remove: [x-in],
           request_headers_to_add: [
             {header: {key: x-in, value: new}},
             {header: {key: x-q, value: '%REQ(x-in)%'}},
             {header: {key: x-d, value: '%REQ(x-alt):2%.'}},
             {header: {key: x-e, value: ''}},
             {header: {key: x-k, value: ''}, keep_empty_value: true},
             {header: {key: x-twice, value: '1'}, append_action: ADD_IF_ABSENT},
             {header: {key: x-twice, value: '2'}, append_action: ADD_IF_ABSENT},
             {header: {key: x-mix, value: app}},
             {header: {key: x-mix, value: ow}, append_action: OVERWRITE_IF_EXISTS_OR_ADD},
             {header: {key: accept, value: b}},
             {header: {key: x-multi, value: ow}, append_action: OVERWRITE_IF_EXISTS_OR_ADD}]}]}]",
    );
    assert_eq!(
        changed(
            &config,
            "/",
            &[
                ("x-in", "1"),
                ("X-In", "2"),
                ("x-alt", "altval"),
                ("accept", "a"),
                ("x-multi", "1"),
                ("x-multi", "2")
            ]
        ),
        [
            "x-alt: altval",
            "accept: a,b",
            "x-multi: ow",
            "x-mix: ow",
            "x-in: new",
            "x-d: al.",
            "x-k: ",
            "x-twice: 1",
            "x-twice: 2",
            "x-mix: app",
        ]
    );
}

fn mutation(name: &str, action: AppendAction, keep_empty: bool) -> HeaderMutation {
    HeaderMutation { name: name.into(), value: Template::literal(""), action, keep_empty }
}

#[test]
fn pseudo_headers_change_the_head() {
    let mut head = RequestHead::get("h", "/");
    for (name, value) in [(":path", "/new"), ("Host", "new.test"), (":method", "PUT"), (":scheme", "https")] {
        mutate_request(&mut head, &mutation(name, AppendAction::OverwriteOrAdd, false), value.as_bytes());
    }
    assert_eq!(
        (&*head.path, &*head.authority, head.method.as_str(), &*head.scheme),
        ("/new", "new.test", "PUT", "https")
    );
    mutate_request(&mut head, &mutation(":method", AppendAction::OverwriteOrAdd, false), b"no token");
    assert_eq!(head.method.as_str(), "PUT");
    assert!(head.headers.is_empty());
}

proptest! {
    /// After an overwrite there is one field of the name with the value; after an addition one more.
    #[test]
    fn actions_do_what_they_say(before in prop::collection::vec("[a-z]{1,3}", 0..3), value in "[a-z]{0,3}", keep: bool) {
        let headers = || before.iter().map(|v| ("x", v)).collect::<Headers>();
        let after = |action| {
            let mut headers = headers();
            mutate(&mut headers, &mutation("X", action, keep), value.as_bytes());
            headers
        };
        let acts = keep || !value.is_empty();
        let replaced = after(AppendAction::OverwriteOrAdd);
        prop_assert_eq!(replaced.len(), if acts { 1 } else { before.len() });
        prop_assert!(!acts || replaced.get("x") == Some(value.as_bytes()));
        prop_assert_eq!(after(AppendAction::Append).len(), before.len() + usize::from(acts));
        let absent = before.is_empty();
        prop_assert_eq!(after(AppendAction::AddIfAbsent).len(), if absent { usize::from(acts) } else { before.len() });
        let existing = after(AppendAction::OverwriteIfExists);
        prop_assert_eq!(existing.len(), if acts { before.len().min(1) } else { before.len() });
    }
}
