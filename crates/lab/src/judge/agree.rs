//! Whether two normalized outcomes agree.

use crate::outcome::{Outcome, Tally};
use serde_json::Value;

/// Every place where two normalized outcomes differ, as `path: one ≠ other`.
pub fn agree(one: &Outcome, other: &Outcome) -> Vec<String> {
    let mut differences = Vec::new();
    if let (Some(a), Some(b)) = (&one.tally, &other.tally) {
        shares(a, b, &mut differences);
        let bare = |outcome: &Outcome| Outcome { tally: None, log: Vec::new(), ..outcome.clone() };
        walk("", &value(&bare(one)), &value(&bare(other)), &mut differences);
    } else {
        walk("", &value(one), &value(other), &mut differences);
    }
    differences
}

fn value(outcome: &Outcome) -> Value {
    serde_json::to_value(outcome).unwrap_or_default()
}

fn walk(path: &str, one: &Value, other: &Value, differences: &mut Vec<String>) {
    match (one, other) {
        (Value::Object(a), Value::Object(b)) => {
            let keys: std::collections::BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for key in keys {
                let pick = |map: &serde_json::Map<String, Value>| map.get(key).cloned().unwrap_or_default();
                walk(&format!("{path}.{key}"), &pick(a), &pick(b), differences);
            }
        }
        (Value::Array(a), Value::Array(b)) if path.ends_with("headers") || path.ends_with("trailers") => {
            let only = |list: &[Value], than: &[Value]| -> Vec<String> {
                list.iter().filter(|item| !than.contains(item)).map(header).collect()
            };
            let (left, right) = (only(a, b), only(b, a));
            if !left.is_empty() || !right.is_empty() {
                differences.push(format!("{path}: [{}] ≠ [{}]", left.join(", "), right.join(", ")));
            } else if a != b {
                differences.push(format!("{path}: the same headers, in another order or number"));
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (index, (a, b)) in a.iter().zip(b).enumerate() {
                walk(&format!("{path}[{index}]"), a, b, differences);
            }
        }
        _ if one == other => {}
        (Value::Array(a), Value::Array(b)) => {
            differences.push(format!("{path}: {} entries ≠ {} entries: {one} ≠ {other}", a.len(), b.len()));
        }
        _ => differences.push(format!("{path}: {one} ≠ {other}")),
    }
}

fn header(pair: &Value) -> String {
    let part = |index: usize| pair[index].as_str().unwrap_or_default().to_owned();
    format!("{}: {}", part(0), part(1))
}

/// Shares agree when they differ by less than four standard deviations of their difference.
fn shares(one: &Tally, other: &Tally, differences: &mut Vec<String>) {
    let number = |tally: &Tally| count(tally.status.values().sum());
    let (n, m) = (number(one), number(other));
    if n == 0.0 || m == 0.0 {
        differences.push("tally: no answers".into());
        return;
    }
    let mut compare = |what: String, a: u64, b: u64| {
        let (p, q) = (count(a) / n, count(b) / m);
        let mean = (count(a) + count(b)) / (n + m);
        let deviation = (mean * (1.0 - mean) * (1.0 / n + 1.0 / m)).sqrt();
        if (p - q).abs() > 4.0 * deviation {
            differences.push(format!("tally.{what}: {a} of {n} ≠ {b} of {m}"));
        }
    };
    let pick = |map: &std::collections::BTreeMap<u16, u64>, key: u16| map.get(&key).copied().unwrap_or(0);
    for status in one.status.keys().chain(other.status.keys()).collect::<std::collections::BTreeSet<_>>() {
        compare(format!("status {status}"), pick(&one.status, *status), pick(&other.status, *status));
    }
    for backend in one.backend.keys().chain(other.backend.keys()).collect::<std::collections::BTreeSet<_>>() {
        let pick = |tally: &Tally| tally.backend.get(backend).copied().unwrap_or(0);
        compare(format!("backend {backend}"), pick(one), pick(other));
    }
}

/// Counts here are far below the 2^52 that a float holds exactly.
pub(super) fn count(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::{Answer, Seen};

    fn outcome(change: impl FnOnce(&mut Outcome)) -> Outcome {
        let mut outcome =
            Outcome { answers: vec![Answer::default()], seen: vec![Seen::default()], ..Outcome::default() };
        change(&mut outcome);
        outcome
    }

    #[test]
    fn equal_outcomes_agree() {
        assert!(agree(&outcome(|_| {}), &outcome(|_| {})).is_empty());
    }

    #[test]
    fn every_part_is_compared() {
        let parts: [fn(&mut Outcome); 7] = [
            |outcome| outcome.answers[0].status = 200,
            |outcome| outcome.answers[0].headers.push(("a".into(), "b".into())),
            |outcome| outcome.answers[0].connection = Some("closed".into()),
            |outcome| outcome.answers.clear(),
            |outcome| outcome.seen[0].path = "/x".into(),
            |outcome| outcome.log.push([("flags".to_owned(), "UF".to_owned())].into()),
            |outcome| outcome.stats = [("x".to_owned(), 1)].into(),
        ];
        for part in parts {
            assert_eq!(agree(&outcome(|_| {}), &outcome(part)).len(), 1);
        }
    }

    #[test]
    fn shares_agree_within_chance_only() {
        let tally = |a: u64| {
            let backend = [("a".to_owned(), a), ("b".to_owned(), 500 - a)].into();
            Outcome { tally: Some(Tally { status: [(200, 500)].into(), backend }), ..Outcome::default() }
        };
        assert!(agree(&tally(400), &tally(420)).is_empty());
        assert!(!agree(&tally(400), &tally(450)).is_empty());
    }
}
