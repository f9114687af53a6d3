//! Whether an outcome is what a row expects.

use super::agree::count;
use crate::outcome::{Answer, Outcome, Seen, Tally};
use crate::table::{Expect, SeenWant, Step, Want};
use regex::Regex;
use std::collections::BTreeMap;

/// Every expectation that does not hold. `outcome` is normalized; `took` are the durations of its
/// answers in milliseconds, which normalizing takes away.
pub fn hold(expect: &Expect, steps: &[Step], outcome: &Outcome, took: &[u64]) -> Vec<String> {
    let mut missed = Vec::new();
    if let Some(failure) = &outcome.failure {
        return vec![failure.clone()];
    }
    if let Some(status) = &expect.status {
        let got: Vec<u16> = match &outcome.tally {
            Some(tally) => tally.status.keys().copied().collect(),
            None => outcome.answers.iter().map(|answer| answer.status).collect(),
        };
        same("status", &status.list(), &got, &mut missed);
    }
    if let Some(backend) = &expect.backend {
        let wanted: Vec<String> = backend.list().into_iter().filter(|name| name != "none").collect();
        let got: Vec<String> = outcome.seen.iter().map(|seen| seen.backend.clone()).collect();
        same("backend", &wanted, &got, &mut missed);
    }
    if let Some(attempts) = expect.attempts {
        same("attempts", &attempts, &outcome.seen.len(), &mut missed);
    }
    if let Some(tally) = &outcome.tally {
        shares(expect, tally, &mut missed);
    }
    if let Some(answer) = outcome.answers.last() {
        hold_answer(expect, answer, took.last().copied().unwrap_or(0), &mut missed);
    }
    if let Some(wanted) = &expect.seen {
        match outcome.seen.last() {
            Some(seen) => hold_seen(wanted, seen, &mut missed),
            None => missed.push("seen: no backend saw anything".into()),
        }
    }
    if !expect.log.is_empty() {
        hold_log(&expect.log, &outcome.log, &mut missed);
    }
    for (name, wanted) in &expect.stats {
        if let Some(wanted) = wanted {
            same(&format!("stats {name}"), wanted, outcome.stats.get(name).unwrap_or(&0), &mut missed);
        }
    }
    let calls = steps.iter().filter_map(|step| if let Step::Call(call) = step { Some(call) } else { None });
    // Expectations of single calls need one answer per call to be told apart.
    if steps.iter().all(|step| !matches!(step, Step::Together { .. })) {
        for ((call, answer), took) in calls.zip(&outcome.answers).zip(took) {
            if let Some(expect) = &call.expect {
                let mut here = Vec::new();
                if let Some(status) = &expect.status {
                    same("status", &status.list(), &vec![answer.status], &mut here);
                }
                hold_answer(expect, answer, *took, &mut here);
                missed.extend(here.into_iter().map(|miss| format!("{} {}: {miss}", call.method, call.path)));
            }
        }
    }
    missed
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, wanted: &T, got: &T, missed: &mut Vec<String>) {
    if wanted != got {
        missed.push(format!("{what}: expected {wanted:?}, got {got:?}"));
    }
}

fn hold_answer(expect: &Expect, answer: &Answer, took: u64, missed: &mut Vec<String>) {
    fields("header", &expect.headers, &answer.headers, missed);
    fields("trailer", &expect.trailers, &answer.trailers, missed);
    want("body", expect.body.as_ref(), &[&answer.body], missed);
    want("received", expect.received.as_ref(), &answer.received.iter().collect::<Vec<_>>(), missed);
    if let Some(interim) = &expect.interim {
        same("interim", interim, &answer.interim, missed);
    }
    if let Some(end) = &expect.end {
        let got = serde_json::to_value(answer.end).unwrap_or_default();
        same("end", end, &got.as_str().unwrap_or_default().to_owned(), missed);
    }
    if let Some(connection) = &expect.connection {
        same("connection", connection, &answer.connection.clone().unwrap_or("not looked at".into()), missed);
    }
    if let Some([least, most]) = expect.took
        && !(least..=most).contains(&took)
    {
        missed.push(format!("took: expected {least} to {most} ms, got {took}"));
    }
}

fn hold_seen(wanted: &SeenWant, seen: &Seen, missed: &mut Vec<String>) {
    want("seen method", wanted.method.as_ref(), &[&seen.method], missed);
    want("seen path", wanted.path.as_ref(), &[&seen.path], missed);
    want("seen authority", wanted.authority.as_ref(), &[&seen.authority], missed);
    want("seen protocol", wanted.protocol.as_ref(), &[&seen.protocol], missed);
    want("seen body", wanted.body.as_ref(), &[&seen.body], missed);
    fields("seen header", &wanted.headers, &seen.headers, missed);
    fields("seen trailer", &wanted.trailers, &seen.trailers, missed);
    let tls = seen.tls.clone().unwrap_or_default();
    want("seen sni", wanted.sni.as_ref(), &tls.sni.iter().collect::<Vec<_>>(), missed);
    want("seen alpn", wanted.alpn.as_ref(), &tls.alpn.iter().collect::<Vec<_>>(), missed);
    want("seen peer", wanted.peer.as_ref(), &tls.peer.iter().collect::<Vec<_>>(), missed);
}

/// Some line of the log has all the fields.
fn hold_log(wanted: &BTreeMap<String, Want>, log: &[BTreeMap<String, String>], missed: &mut Vec<String>) {
    let mut nearest: Option<Vec<String>> = None;
    for line in log {
        let mut here = Vec::new();
        for (name, wish) in wanted {
            let values: Vec<&String> = line.get(name).into_iter().filter(|value| *value != "-").collect();
            want(&format!("log {name}"), Some(wish), &values, &mut here);
        }
        if nearest.as_ref().is_none_or(|least| here.len() < least.len()) {
            nearest = Some(here);
        }
    }
    missed.extend(nearest.unwrap_or_else(|| vec!["log: no line".into()]));
}

fn fields(what: &str, wanted: &BTreeMap<String, Want>, got: &[(String, String)], missed: &mut Vec<String>) {
    for (name, wish) in wanted {
        let values: Vec<&String> =
            got.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value).collect();
        want(&format!("{what} {name}"), Some(wish), &values, missed);
    }
}

fn want(what: &str, wish: Option<&Want>, got: &[&String], missed: &mut Vec<String>) {
    let Some(wish) = wish else { return };
    let holds = match wish {
        Want::Absent => got.is_empty(),
        Want::Present => !got.is_empty(),
        Want::Exactly(values) => got.len() == values.len() && got.iter().zip(values).all(|(a, b)| *a == b),
        Want::Matches(pattern) => match Regex::new(pattern) {
            Ok(regex) => !got.is_empty() && got.iter().all(|value| regex.is_match(value)),
            Err(_) => false,
        },
    };
    if !holds {
        missed.push(format!("{what}: expected {wish:?}, got {got:?}"));
    }
}

fn shares(expect: &Expect, tally: &Tally, missed: &mut Vec<String>) {
    let total = count(tally.backend.values().sum());
    for (backend, share) in &expect.shares {
        let got = tally.backend.get(backend).copied().unwrap_or(0);
        let allowed = if expect.exact { 0.5 } else { 4.0 * (total * share * (1.0 - share)).sqrt().max(0.5) };
        if (count(got) - total * share).abs() > allowed {
            missed.push(format!("shares: {backend} got {got} of {total}, expected {share}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn missed(expect: Value) -> Vec<String> {
        let line = [("flags", "UF,URX"), ("code", "503"), ("cluster", "-")];
        let outcome = Outcome {
            answers: vec![Answer {
                status: 503,
                headers: vec![("a".into(), "1".into()), ("a".into(), "2".into())],
                body: "text".into(),
                ..Answer::default()
            }],
            log: vec![line.map(|(name, value)| (name.to_owned(), value.to_owned())).into()],
            ..Outcome::default()
        };
        let expect = serde_json::from_value(expect).expect("an expectation");
        hold(&expect, &[], &outcome, &[120])
    }

    #[test]
    fn what_is_so_is_not_missed() {
        assert_eq!(
            missed(json!({
                "status": 503, "backend": "none", "attempts": 0, "body": "text", "took": [100, 200],
                "headers": {"A": [1, 2], "b": null}, "log": {"flags": "/URX/r", "code": 503, "cluster": null},
            })),
            Vec::<String>::new()
        );
    }

    #[test]
    fn what_is_not_so_is_missed() {
        for wrong in [
            json!({"status": 200}),
            json!({"status": [503, 503]}),
            json!({"backend": "a"}),
            json!({"body": "tex"}),
            json!({"body": "/^ext/r"}),
            json!({"took": [0, 100]}),
            json!({"headers": {"a": 1}}),
            json!({"headers": {"a": [2, 1]}}),
            json!({"headers": {"a": null}}),
            json!({"headers": {"b": "*"}}),
            json!({"log": {"flags": "UF"}}),
            json!({"log": {"flags": null}}),
            json!({"end": "closed"}),
            json!({"connection": "kept"}),
            json!({"seen": {"path": "/"}}),
            json!({"stats": {"x": 1}}),
        ] {
            assert_eq!(missed(wrong.clone()).len(), 1, "{wrong}");
        }
    }

    #[test]
    fn shares_may_stray_by_four_standard_deviations_and_no_further() {
        let share = |a: u64| {
            let tally = Tally {
                backend: [("a".to_owned(), a), ("b".to_owned(), 400 - a)].into(),
                ..Tally::default()
            };
            let outcome = Outcome { tally: Some(tally), ..Outcome::default() };
            let expect = serde_json::from_value(json!({"shares": {"a": 0.5}})).expect("an expectation");
            hold(&expect, &[], &outcome, &[])
        };
        assert!(share(200).is_empty() && share(239).is_empty());
        assert_eq!(share(241).len(), 1);
    }
}
