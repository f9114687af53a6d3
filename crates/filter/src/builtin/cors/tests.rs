use super::*;
use crate::Chain;
use crate::testing::{Fixed, chain_of, context, filter, manager, per_filter, reply};

const NAME: &str = "envoy.filters.http.cors";
const FULL: &str =
    "allow_origin_string_match: [{exact: 'http://ok'}], allow_methods: 'GET,PUT', allow_headers: x-a,
    expose_headers: x-e, max_age: '100', allow_credentials: true, allow_private_network_access: true";
const PREFLIGHT: (&str, &str) = ("access-control-request-method", "PUT");

/// A chain for a route with this policy, on a host with that one (empty: none).
fn chain(route: &str, host: &str) -> Chain {
    let level = |fields: &str| match fields {
        "" => String::new(),
        fields => per_filter(NAME, "cors.v3.CorsPolicy", fields) + ",",
    };
    let config = format!(
        "virtual_hosts: [{{name: v, domains: ['*'], {} routes: [{{match: {{prefix: /}}, {} route: {{cluster: a}}}}]}}]",
        level(host),
        level(route)
    );
    chain_of(&manager(&filter(NAME, "cors.v3.Cors", ""), &config), "/")
}

/// What the client sees of CORS, and whether the filter answered itself.
fn cors(chain: &mut Chain, method: Method, fields: &[(&str, &str)], cx: &mut Context) -> (bool, Vec<String>) {
    let mut head = RequestHead { method, ..crate::testing::with(fields) };
    let answer = reply(chain, &mut head, cx);
    let mut response = ResponseHead::new(200);
    if let Some(reply) = &answer {
        assert_eq!((reply.status, &*reply.detail.word), (200, "cors_response"));
        response.headers = reply.headers.clone();
    }
    chain.response(0, &mut response, true, cx);
    let lines = response.headers.iter().map(|(n, v)| {
        let name = String::from_utf8_lossy(n).replace("access-control-", "");
        format!("{name}: {}", String::from_utf8_lossy(v))
    });
    (answer.is_some(), lines.collect())
}

fn simple(chain: &mut Chain, origin: &str) -> (bool, Vec<String>) {
    cors(chain, Method::Get, &[("origin", origin)], &mut context())
}

fn preflight(chain: &mut Chain, origin: &str) -> (bool, Vec<String>) {
    let fields = [("origin", origin), PREFLIGHT, ("access-control-request-private-network", "true")];
    cors(chain, Method::Options, &fields, &mut context())
}

#[test]
fn allowed_origins_are_told_so() {
    let told = ["allow-origin: http://ok", "allow-credentials: true", "expose-headers: x-e"];
    assert_eq!(simple(&mut chain(FULL, ""), "http://ok"), (false, told.map(str::to_owned).to_vec()));
    assert_eq!(simple(&mut chain(FULL, ""), "http://bad"), (false, vec![]));
    assert_eq!(simple(&mut chain(FULL, ""), ""), (false, vec![]));
    assert_eq!(simple(&mut chain("", ""), "http://ok"), (false, vec![]));
}

#[test]
fn preflights_are_answered() {
    let (answered, lines) = preflight(&mut chain(FULL, ""), "http://ok");
    assert!(answered);
    assert_eq!(
        lines,
        [
            "allow-origin: http://ok",
            "allow-credentials: true",
            "allow-methods: GET,PUT",
            "allow-headers: x-a",
            "max-age: 100",
            "allow-private-network: true",
            "expose-headers: x-e",
        ]
    );
}

#[test]
fn options_without_a_method_asked_for_are_no_preflight() {
    for fields in
        [&[("origin", "http://ok")][..], &[("origin", "http://ok"), ("access-control-request-method", "")]]
    {
        let (answered, lines) = cors(&mut chain(FULL, ""), Method::Options, fields, &mut context());
        assert!(!answered && lines.len() == 3, "{lines:?}");
    }
    assert!(
        !cors(&mut chain(FULL, ""), Method::Get, &[("origin", "http://ok"), PREFLIGHT], &mut context()).0
    );
    assert!(!cors(&mut chain(FULL, ""), Method::Options, &[PREFLIGHT], &mut context()).0);
}

#[test]
fn preflights_of_other_origins_go_on_unless_told_otherwise() {
    assert_eq!(preflight(&mut chain(FULL, ""), "http://bad"), (false, vec![]));
    let stopping = format!("{FULL}, forward_not_matching_preflights: false");
    let (answered, lines) = preflight(&mut chain(&stopping, ""), "http://bad");
    assert!(answered);
    assert_eq!(
        lines,
        ["allow-credentials: true", "allow-methods: GET,PUT", "allow-headers: x-a", "max-age: 100"]
    );
}

#[test]
fn what_the_route_leaves_unsaid_its_host_says() {
    let (_, lines) = preflight(&mut chain("max_age: '7', allow_credentials: false", FULL), "http://ok");
    assert!(
        lines.contains(&"max-age: 7".to_owned()) && lines.contains(&"allow-methods: GET,PUT".to_owned()),
        "{lines:?}"
    );
    assert!(!lines.iter().any(|l| l.starts_with("allow-credentials")), "{lines:?}");
    let other = "allow_origin_string_match: [{exact: 'http://other'}]";
    assert_eq!(simple(&mut chain(other, FULL), "http://ok").1, Vec::<String>::new());
}

#[test]
fn a_share_of_none_turns_it_off() {
    let off = format!("{FULL}, filter_enabled: {{default_value: {{numerator: 0}}, runtime_key: k}}");
    assert_eq!(preflight(&mut chain(&off, FULL), "http://ok"), (false, vec![]));
}

#[test]
fn routes_that_do_not_forward_have_no_cors() {
    let mut cx = Context { cluster_name: None, ..context() };
    assert_eq!(cors(&mut chain(FULL, ""), Method::Get, &[("origin", "http://ok")], &mut cx), (false, vec![]));
    assert!(cx.counts.is_empty());
}

#[test]
fn origins_are_counted() {
    let mut cx = context();
    let mut chain = chain(FULL, "");
    for origin in ["http://ok", "http://bad"] {
        chain.request(0, &mut crate::testing::with(&[("origin", origin)]), true, &mut cx, &mut Fixed(0));
    }
    assert_eq!(cx.counts, [("cors.origin_valid", 1), ("cors.origin_invalid", 1)]);
}
