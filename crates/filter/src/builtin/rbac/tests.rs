use super::*;
use crate::testing::{chain, context, filter, get, reply, with};

fn policies(named: &[(&str, &str)]) -> String {
    let one = |(name, value): &(&str, &str)| {
        format!(
            "{name:?}: {{permissions: [{{header: {{name: x-p, string_match: {{exact: {value:?}}}}}}}], principals: [{{any: true}}]}}"
        )
    };
    format!("policies: {{{}}}", named.iter().map(one).collect::<Vec<_>>().join(", "))
}

fn judged(fields: &str, header: &str) -> (Option<LocalReply>, Context) {
    let mut cx = context();
    let mut chain = chain(&filter("r", "rbac.v3.RBAC", fields), "match: {prefix: /}, route: {cluster: a}");
    let answer = reply(&mut chain, &mut with(&[("x-p", header)]), &mut cx);
    (answer, cx)
}

fn notes(cx: &Context, filter: &str) -> Vec<String> {
    match cx.metadata.get(filter) {
        Some(MetadataValue::Struct(fields)) => fields
            .iter()
            .map(|(key, value)| match value {
                MetadataValue::String(text) => format!("{key}={text}"),
                other => format!("{key}={other:?}"),
            })
            .collect(),
        _ => Vec::new(),
    }
}

fn word(answer: Option<LocalReply>) -> String {
    answer.map_or_else(
        || "passed".to_owned(),
        |reply| {
            assert_eq!((reply.status, &*reply.body), (403, &b"RBAC: access denied"[..]));
            reply.detail.word.into_owned()
        },
    )
}

#[test]
fn allow_passes_matches_and_deny_stops_them() {
    let two = policies(&[("z p", "1"), ("b", "1")]);
    let denied = |policy: &str| format!("rbac_access_denied_matched_policy[{policy}]");
    for (action, header, want) in [
        ("ALLOW", "1", "passed".to_owned()),
        ("ALLOW", "2", denied("none")),
        ("DENY", "1", denied("b")),
        ("DENY", "2", "passed".to_owned()),
        ("LOG", "1", "passed".to_owned()),
        ("LOG", "2", "passed".to_owned()),
    ] {
        let (answer, cx) = judged(&format!("rules: {{action: {action}, {two}}}"), header);
        let passed = answer.is_none();
        assert_eq!(word(answer), want, "{action} {header}");
        assert_eq!(cx.counts, [(if passed { "rbac.allowed" } else { "rbac.denied" }, 1)]);
    }
    let spaced = judged(&format!("rules: {{action: DENY, {}}}", policies(&[("z p", "1")])), "1").0;
    assert_eq!(word(spaced), denied("z_p"));
}

#[test]
fn no_rules_let_everything_pass_and_no_policies_nothing() {
    assert_eq!(word(judged("", "1").0), "passed");
    assert_ne!(word(judged("rules: {action: ALLOW}", "1").0), "passed");
    assert_eq!(word(judged("rules: {action: DENY}", "1").0), "passed");
}

#[test]
fn verdicts_are_noted() {
    let (_, cx) = judged(&format!("rules: {{action: DENY, {}}}", policies(&[("d", "1")])), "1");
    assert_eq!(notes(&cx, NOTES), ["enforced_effective_policy_id=d", "enforced_engine_result=denied"]);
    let (_, cx) = judged(&format!("rules: {{action: ALLOW, {}}}", policies(&[("d", "1")])), "2");
    assert_eq!(notes(&cx, NOTES), ["enforced_engine_result=denied"]);
    for (header, hint) in [("1", "access_log_hint=Bool(true)"), ("2", "access_log_hint=Bool(false)")] {
        let (_, cx) = judged(&format!("rules: {{action: LOG, {}}}", policies(&[("l", "1")])), header);
        assert_eq!(notes(&cx, "envoy.common"), [hint]);
    }
}

#[test]
fn shadow_rules_only_count_and_note() {
    let shadow = format!("shadow_rules: {{action: ALLOW, {}}}", policies(&[("s", "1")]));
    let (answer, cx) = judged(&shadow, "2");
    assert!(answer.is_none());
    assert_eq!(
        (cx.counts.as_slice(), notes(&cx, NOTES)),
        (&[("rbac.shadow_denied", 1)][..], vec!["shadow_engine_result=denied".to_owned()])
    );
    let (_, cx) = judged(&format!("{shadow}, shadow_rules_stat_prefix: sp_"), "1");
    assert_eq!(notes(&cx, NOTES), ["sp_shadow_effective_policy_id=s", "sp_shadow_engine_result=allowed"]);
    assert_eq!(cx.named_counts, [(CountScope::Manager, Name::from("rbac.sp_.shadow_allowed"), 1)]);
}

#[test]
fn a_route_replaces_the_rules_or_is_free_of_them() {
    let strict = filter("r", "rbac.v3.RBAC", "rules: {action: ALLOW}");
    let route = |fields: &str| {
        format!(
            "match: {{prefix: /}}, route: {{cluster: a}}, typed_per_filter_config: {{r: {{
               '@type': type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBACPerRoute, {fields}}}}}"
        )
    };
    let passes = |fields: &str| {
        let mut chain = chain(&strict, &route(fields));
        // Without rules of its own the filter is left out of the chain.
        chain.is_empty() || reply(&mut chain, &mut get("/"), &mut context()).is_none()
    };
    assert!(passes(""));
    assert!(passes("rbac: {rules: {action: DENY}}"));
    assert!(!passes("rbac: {rules: {action: ALLOW}}"));
}
