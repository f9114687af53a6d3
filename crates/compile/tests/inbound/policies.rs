//! AuthorizationPolicies: who may call what (AP rows), as a table of calls.

use std::sync::Arc;

use weft_simulate::{Call, Outcome};
use weft_tables::Tables;

use crate::world::{APP, embedded, envoy_takes, judge, mesh, mesh_with, mutual, request, tables};

/// One row: the rules of a policy, and calls with what becomes of them.
pub(crate) struct Row {
    pub(crate) what: &'static str,
    pub(crate) action: &'static str,
    pub(crate) rules: &'static str,
    pub(crate) allowed: &'static [&'static str],
    pub(crate) denied: &'static [&'static str],
}

/// Calls are `IDENTITY METHOD HOST PATH [HEADER=VALUE]`; the identity `-` is plaintext.
pub(crate) const ROWS: &[Row] = &[
    Row {
        what: "rules: [{}] matches all",
        action: "ALLOW",
        rules: "[{}]",
        allowed: &["- GET app /"],
        denied: &[],
    },
    Row {
        what: "no rules let nobody in",
        action: "ALLOW",
        rules: "[]",
        allowed: &[],
        denied: &["a/x GET app /"],
    },
    Row {
        what: "principals are exact, by prefix, by suffix, or there",
        action: "ALLOW",
        rules: "[{from: [{source: {principals: [cluster.local/ns/a/sa/x, 'cluster.local/ns/b/*', '*/sa/z']}}]}]",
        allowed: &["a/x GET app /", "b/any GET app /", "c/z GET app /"],
        denied: &["a/y GET app /", "a/xx GET app /", "c/x GET app /", "- GET app /"],
    },
    Row {
        what: "principal * asks for any identity",
        action: "ALLOW",
        rules: "[{from: [{source: {principals: ['*']}}]}]",
        allowed: &["a/x GET app /"],
        denied: &["- GET app /"],
    },
    Row {
        what: "not principals: plaintext has none",
        action: "DENY",
        rules: "[{from: [{source: {notPrincipals: ['*']}}]}]",
        allowed: &["a/x GET app /"],
        denied: &["- GET app /"],
    },
    Row {
        what: "namespaces",
        action: "ALLOW",
        rules: "[{from: [{source: {namespaces: [a, 'te*', '*st'], notNamespaces: [test]}}]}]",
        allowed: &["a/x GET app /", "team/x GET app /", "best/x GET app /"],
        denied: &["aa/x GET app /", "test/x GET app /", "b/a GET app /", "- GET app /"],
    },
    Row {
        what: "service accounts, of the policy's namespace if they name none",
        action: "ALLOW",
        rules: "[{from: [{source: {serviceAccounts: [a/x, me]}}]}]",
        allowed: &["a/x GET app /", "books/me GET app /"],
        denied: &["a/y GET app /", "b/x GET app /", "books/x GET app /"],
    },
    Row {
        what: "addresses",
        action: "ALLOW",
        rules: "[{from: [{source: {ipBlocks: [127.0.0.0/8]}}]}]",
        allowed: &["- GET app /"],
        denied: &[],
    },
    Row {
        what: "other addresses",
        action: "ALLOW",
        rules: "[{from: [{source: {ipBlocks: [10.1.2.3]}}, {source: {remoteIpBlocks: ['2001:db8::/32']}}]}]",
        allowed: &[],
        denied: &["- GET app /"],
    },
    Row {
        what: "fields of one source hold together, sources by themselves",
        action: "ALLOW",
        rules: "[{from: [{source: {namespaces: [a], principals: ['*/sa/x']}}, {source: {namespaces: [b]}}]}]",
        allowed: &["a/x GET app /", "b/y GET app /"],
        denied: &["a/y GET app /", "c/x GET app /"],
    },
    Row {
        what: "methods and paths",
        action: "ALLOW",
        rules: "[{to: [{operation: {methods: [GET, 'P*'], paths: [/a, '/b/*', '*.html', '/v/{*}/d', '/w/{**}']}}]}]",
        allowed: &[
            "- GET app /a",
            "- GET app /a?q=1",
            "- POST app /b/c",
            "- GET app /x.html",
            "- GET app /v/1/d",
            "- GET app /w/1/2",
        ],
        denied: &[
            "- GET app /ab",
            "- DELETE app /a",
            "- GET app /b",
            "- GET app /v/1/2/d",
            "- GET app /v//d",
        ],
    },
    Row {
        what: "paths are normalized before they are compared",
        action: "DENY",
        rules: "[{to: [{operation: {paths: [/admin]}}]}]",
        allowed: &["- GET app /public"],
        denied: &["- GET app /admin", "- GET app /x/../admin", "- GET app /%61dmin"],
    },
    Row {
        what: "not paths",
        action: "DENY",
        rules: "[{to: [{operation: {notPaths: [/healthz]}}]}]",
        allowed: &["- GET app /healthz"],
        denied: &["- GET app /"],
    },
    Row {
        what: "hosts, in any case, with or without port",
        action: "ALLOW",
        rules: "[{to: [{operation: {hosts: [app.example.com, '*.test', 'api.*']}}]}]",
        allowed: &[
            "- GET app.example.com /",
            "- GET App.Example.COM:8080 /",
            "- GET x.test /",
            "- GET x.test:80 /",
            "- GET api.b /",
        ],
        denied: &["- GET app.example.comx /", "- GET test /", "- GET other /"],
    },
    Row {
        what: "ports are the workload's",
        action: "ALLOW",
        rules: "[{to: [{operation: {ports: ['8080']}}]}]",
        allowed: &["- GET app /"],
        denied: &[],
    },
    Row {
        what: "the service's port is none of the workload's",
        action: "ALLOW",
        rules: "[{to: [{operation: {ports: ['80']}}]}]",
        allowed: &[],
        denied: &["- GET app /"],
    },
    Row {
        what: "headers as conditions",
        action: "ALLOW",
        rules: "[{when: [{key: 'request.headers[x-token]', values: ['a*', b], notValues: [ab]}]}]",
        allowed: &["- GET app / x-token=ac", "- GET app / x-token=b"],
        denied: &["- GET app / x-token=ab", "- GET app / x-token=c", "- GET app /"],
    },
    Row {
        what: "source and destination as conditions",
        action: "ALLOW",
        rules: "[{when: [{key: source.namespace, values: [a]}, {key: destination.port, values: ['8080']}, \
                {key: source.principal, notValues: ['*/sa/bad']}]}]",
        allowed: &["a/x GET app /"],
        denied: &["b/x GET app /", "a/bad GET app /", "- GET app /"],
    },
    Row {
        what: "from, to and when hold together",
        action: "ALLOW",
        rules: "[{from: [{source: {namespaces: [a]}}], to: [{operation: {methods: [GET]}}], \
                when: [{key: 'request.headers[x]', values: ['1']}]}]",
        allowed: &["a/x GET app / x=1"],
        denied: &["a/x GET app /", "a/x POST app / x=1", "b/x GET app / x=1"],
    },
    Row {
        what: "tokens: nobody has one here",
        action: "ALLOW",
        rules: "[{from: [{source: {requestPrincipals: ['*']}}]}, {when: [{key: 'request.auth.claims[iss]', values: [x]}]}]",
        allowed: &[],
        denied: &["a/x GET app /"],
    },
    Row {
        what: "audit only marks",
        action: "AUDIT",
        rules: "[{to: [{operation: {methods: [GET]}}]}]",
        allowed: &["- GET app /", "- POST app /"],
        denied: &[],
    },
    Row {
        what: "trust domains",
        action: "DENY",
        rules: "[{from: [{source: {notTrustDomains: [cluster.local]}}]}]",
        allowed: &["a/x GET app /"],
        denied: &["- GET app /"],
    },
];

fn policy(name: &str, action: &str, rules: &str) -> String {
    format!(
        "---\napiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {{name: {name}, namespace: books}}\nspec: {{action: {action}, rules: {rules}}}\n"
    )
}

fn call(text: &str) -> Call {
    let words: Vec<&str> = text.split(' ').collect();
    let &[identity, method, host, path, ref headers @ ..] = words.as_slice() else {
        panic!("{text}: not a call");
    };
    let headers: Vec<(&str, &str)> = headers.iter().filter_map(|pair| pair.split_once('=')).collect();
    let call = Call::http("127.64.0.2_8080", request(method, host, path, &headers));
    match identity.split_once('/') {
        Some((namespace, account)) => mutual(call, &format!("cluster.local/ns/{namespace}/sa/{account}")),
        None => call,
    }
}

/// 200, or 403 with Istio's body; closed connections of opaque bytes count as 403.
fn status(tables: &Arc<Tables>, call: &Call) -> u16 {
    let verdict = judge(tables, call);
    match &verdict.outcome {
        Outcome::Forwarded { .. } => 200,
        Outcome::Response { status, body, .. } => {
            assert_eq!(&body[..], b"RBAC: access denied");
            *status
        }
        Outcome::Closed("rbac_access_denied") => 403,
        Outcome::Closed(why) => panic!("{call:?}: {why}"),
    }
}

#[test]
fn the_table_of_rules() {
    for Row { what, action, rules, allowed, denied } in ROWS {
        let snapshot = mesh(&format!("{APP}{}", policy("p", action, rules)));
        let tables = tables(&snapshot, &embedded());
        for text in *allowed {
            assert_eq!(status(&tables, &call(text)), 200, "{what}: {text}");
        }
        for text in *denied {
            assert_eq!(status(&tables, &call(text)), 403, "{what}: {text}");
        }
    }
}

#[test]
fn envoy_takes_every_rule_of_the_table() {
    // All in one: a refusal would show the whole bootstrap.
    let all = ROWS.iter().enumerate().map(|(index, row)| policy(&format!("p{index}"), row.action, row.rules));
    envoy_takes(&mesh(&format!("{APP}{}", all.collect::<String>())), &embedded());
}

/// Envoy ends at a template that is none: such a rule must not reach it.
#[test]
fn what_is_no_template_is_left_out() {
    for path in ["/a//{*}", "{*}", "{**}/a"] {
        let rules = format!("[{{to: [{{operation: {{paths: ['{path}', /ok]}}}}]}}]");
        let allow = mesh(&format!("{APP}{}", policy("p", "ALLOW", &rules)));
        envoy_takes(&allow, &embedded());
        // A rule that lets in is left out as a whole; one that keeps out goes on without it.
        assert_eq!(status(&tables(&allow, &embedded()), &call("- GET app /ok")), 403, "{path}");
        let deny = mesh(&format!("{APP}{}", policy("p", "DENY", &rules)));
        envoy_takes(&deny, &embedded());
        assert_eq!(status(&tables(&deny, &embedded()), &call("- GET app /ok")), 403, "{path}");
        assert_eq!(status(&tables(&deny, &embedded()), &call("- GET app /other")), 200, "{path}");
    }
    for refused in ["/{**}/{*}", "/a b/{*}", "/a/{x}", "/{*}x", "/{**}/{**}"] {
        let rules = format!("[{{to: [{{operation: {{paths: ['{refused}']}}}}]}}]");
        let decoded = weft_api::decode(policy("p", "ALLOW", &rules).trim_start_matches("---"), "p.yaml");
        assert!(decoded[0].object.is_none(), "{refused}");
    }
}

#[test]
fn deny_goes_before_allow_and_any_allow_keeps_others_out() {
    let both = policy("allow", "ALLOW", "[{to: [{operation: {methods: [GET]}}]}]")
        + &policy("deny", "DENY", "[{to: [{operation: {paths: [/no]}}]}]");
    let tables = tables(&mesh(&format!("{APP}{both}")), &embedded());
    assert_eq!(status(&tables, &call("- GET app /yes")), 200);
    assert_eq!(status(&tables, &call("- GET app /no")), 403);
    assert_eq!(status(&tables, &call("- POST app /yes")), 403);
}

#[test]
fn custom_without_its_provider_denies_what_it_matches() {
    let custom = "---\napiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: c, namespace: books}\n\
                  spec: {action: CUSTOM, provider: {name: nobody}, rules: [{to: [{operation: {paths: [/asked]}}]}]}\n";
    let tables = tables(&mesh(&format!("{APP}{custom}")), &embedded());
    assert_eq!(status(&tables, &call("- GET app /asked")), 403);
    assert_eq!(status(&tables, &call("- GET app /other")), 200);
}

#[test]
fn a_dry_run_changes_nothing() {
    let dry = policy("p", "ALLOW", "[]")
        .replace("namespace: books}", "namespace: books, annotations: {istio.io/dry-run: 'true'}}");
    let snapshot = mesh(&format!("{APP}{dry}"));
    assert_eq!(status(&tables(&snapshot, &embedded()), &call("- GET app /")), 200);
    envoy_takes(&snapshot, &embedded());
}

#[test]
fn without_http_only_the_rest_of_a_rule_counts() {
    let raw = |identity: &str| {
        let call = Call::tcp("127.64.0.2_9000");
        let alpn = vec!["istio".to_owned()];
        Call { protocols: alpn, ..mutual(call, &format!("cluster.local/ns/{identity}")) }
    };
    let at = |action: &str, rules: &str| {
        tables(&mesh(&format!("{APP}{}", policy("p", action, rules))), &embedded())
    };
    // ALLOW by what only HTTP has lets nobody in.
    assert_eq!(status(&at("ALLOW", "[{to: [{operation: {methods: [GET]}}]}]"), &raw("a/sa/x")), 403);
    // DENY keeps its other part, or all if there is none.
    let deny = at("DENY", "[{from: [{source: {namespaces: [a]}}], to: [{operation: {methods: [GET]}}]}]");
    assert_eq!(status(&deny, &raw("a/sa/x")), 403);
    assert_eq!(status(&deny, &raw("b/sa/x")), 200);
    assert_eq!(status(&at("DENY", "[{to: [{operation: {paths: [/x]}}]}]"), &raw("a/sa/x")), 403);
    // Rules about connections hold as they stand.
    let allow = at("ALLOW", "[{from: [{source: {namespaces: [a]}}], to: [{operation: {ports: ['9000']}}]}]");
    assert_eq!(status(&allow, &raw("a/sa/x")), 200);
    assert_eq!(status(&allow, &raw("b/sa/x")), 403);
}

#[test]
fn a_principal_of_the_mesh_is_that_of_each_of_its_names() {
    let config = weft_model::MeshConfig {
        trust_domain: "new".into(),
        trust_domain_aliases: vec!["old".into()],
        ..weft_model::MeshConfig::default()
    };
    let rules = "[{from: [{source: {principals: [old/ns/a/sa/x, cluster.local/ns/b/sa/y]}}]}]";
    let tables = tables(&mesh_with(&format!("{APP}{}", policy("p", "ALLOW", rules)), &config), &embedded());
    let from =
        |identity: &str| mutual(Call::http("127.64.0.2_8080", request("GET", "app", "/", &[])), identity);
    for identity in ["new/ns/a/sa/x", "old/ns/a/sa/x", "new/ns/b/sa/y", "old/ns/b/sa/y"] {
        assert_eq!(status(&tables, &from(identity)), 200, "{identity}");
    }
    for identity in ["other/ns/a/sa/x", "cluster.local/ns/b/sa/y", "new/ns/a/sa/y"] {
        assert_eq!(status(&tables, &from(identity)), 403, "{identity}");
    }
}

#[test]
fn what_a_policy_cannot_do_is_said() {
    let custom = "---\napiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: c, namespace: books}\n\
                  spec: {action: CUSTOM, provider: {name: nobody}, rules: [{}]}\n";
    let allow = policy(
        "p",
        "ALLOW",
        "[{to: [{operation: {methods: [GET]}}]}, {to: [{operation: {paths: ['/a//{*}']}}]}, {}]",
    );
    let snapshot = mesh(&format!("{APP}{custom}{allow}"));
    let said = weft_compile::security::diagnose(&snapshot, &embedded());
    let said: Vec<String> =
        said.iter().map(|one| format!("{} {}: {}", one.severity, one.path, one.message)).collect();
    assert_eq!(
        said,
        [
            "warning spec.provider: there is no extension provider \"nobody\": what the rules match is denied",
            "warning spec.rules[1]: \"/a//{*}\" is not a template of a path: {*} and, after them, one {**} stand alone \
             between slashes: the rule lets nobody in",
            "info spec.rules[0]: connections without HTTP have no methods: on port 9000, the rule lets nobody in",
        ]
    );
}
