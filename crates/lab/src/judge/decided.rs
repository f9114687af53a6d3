//! What configuration alone decides of an outcome: the part on which a simulation, which has no
//! upstream, no clock and no codec, must agree with a proxy that ran.
//!
//! `project` is the only place that says which part this is; everything else is "not judged". Left
//! out are bodies of upstreams, framing, trailers, counters, retries, what the handshake decides, and
//! the case of header names, which codecs change.

use super::{agree, hold};
use crate::normalize::{Facts, normalize};
use crate::outcome::{Answer, End, Outcome, Seen, Tally};
use crate::report::Verdict;
use crate::table::{Expect, Row, Want};

/// What a simulation makes of a row.
#[derive(Debug, Clone)]
pub enum Decided {
    /// For each call of the row, the outcomes that chance allows.
    Calls(Vec<Vec<Outcome>>),
    /// The counts of a row with `times`.
    Tally(Tally),
    /// The row is about something that configuration does not decide: this.
    Open(&'static str),
}

/// How far a call came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// The connection was closed without an answer.
    Closed,
    /// The proxy answered itself.
    Own,
    /// The first attempt was answered by its host.
    Answered,
    /// A host was chosen, and something else came of it.
    Chosen,
}

/// Flags of what time, a codec, earlier calls or the client decides.
const BY_STATE: [&str; 9] = ["UO", "UT", "DT", "SI", "DC", "DPE", "UPE", "DR", "RL"];

/// Milliseconds by which a delay may seem too short: a proxy counts it from the time that its event
/// loop read last, which is before the request came.
const TIMER_SLACK: u64 = 20;

/// Details of what the length of a body decides.
const BY_BODY: [&str; 2] = ["request_payload_too_large", "response_payload_too_large"];

/// Headers of framing, which codecs set, and of time.
const FRAMING: [&str; 9] = [
    "connection",
    "content-length",
    "date",
    "expect",
    "host",
    "keep-alive",
    "te",
    "transfer-encoding",
    "x-envoy-upstream-service-time",
];

/// Compares a row that ran with its simulation, and the simulation with the row's expectations.
pub fn judge(row: &Row, ran: (&Outcome, &Facts), simulated: (&Decided, &Facts)) -> Verdict {
    let calls = match simulated.0 {
        Decided::Open(why) => return Verdict::Skipped(why),
        Decided::Tally(tally) => return judge_tally(row, ran.0, tally),
        Decided::Calls(calls) => calls,
    };
    let parts = match split(ran.0, calls.len()) {
        Ok(parts) => parts,
        Err(why) => return Verdict::Skipped(why),
    };
    let (mut differences, mut whole, mut reaches) = (Vec::new(), Outcome::default(), Vec::new());
    let mut took = Vec::new();
    for (part, alternatives) in parts.iter().zip(calls) {
        let shown = normalize(part, ran.1);
        let reach = match reach(&shown) {
            Ok(reach) => reach,
            Err(why) => return Verdict::Skipped(why),
        };
        let real = project(&shown, reach);
        let compared = alternatives.iter().map(|alternative| {
            let shown = normalize(alternative, simulated.1);
            // What came of an attempt that its host did not answer is the host's doing.
            let own = self::reach(&shown).unwrap_or(Reach::Closed);
            let level = if reach == Reach::Chosen && own == Reach::Answered { reach } else { own };
            let mut judged = project(&shown, level);
            let mut wrong = agree(&real, &judged);
            let (least, spent) = (alternative.answers[0].took_ms, part.answers[0].took_ms);
            if spent + TIMER_SLACK < least {
                wrong.push(format!("took: {spent} ms, less than a delay of {least} ms"));
            }
            judged.answers.iter_mut().for_each(|answer| answer.took_ms = least);
            (wrong, judged)
        });
        let Some((wrong, judged)) = compared.min_by_key(|(wrong, _)| wrong.len()) else {
            return Verdict::Skipped("nothing simulated");
        };
        differences.extend(wrong);
        took.extend(judged.answers.iter().map(|answer| answer.took_ms));
        whole.answers.extend(judged.answers);
        whole.seen.extend(judged.seen);
        whole.log.extend(judged.log);
        reaches.push(reach);
    }
    let expect = decided_part(&row.expect, &reaches, &took);
    let missed = hold(&expect, &[], &whole, &took);
    match (differences.is_empty(), missed.is_empty()) {
        (true, true) => Verdict::Agree,
        (true, false) => Verdict::Fault(missed),
        (false, _) => Verdict::Differ(differences.into_iter().chain(missed).collect()),
    }
}

/// The part of a normalized outcome of one call that configuration decides.
fn project(outcome: &Outcome, reach: Reach) -> Outcome {
    let answer = outcome.answers.first().cloned().unwrap_or_default();
    let line = outcome.log.first().cloned().unwrap_or_default();
    let log = |names: &[&str]| {
        vec![line.iter().filter(|(name, _)| names.contains(&name.as_str())).map(pair).collect()]
    };
    let bare = Answer { status: answer.status, headers: configured(&answer.headers), ..Answer::default() };
    match reach {
        Reach::Closed => {
            Outcome { answers: vec![Answer { end: answer.end, ..Answer::default() }], ..Outcome::default() }
        }
        Reach::Own => Outcome {
            answers: vec![Answer { body: answer.body, ..bare }],
            seen: outcome.seen.iter().map(|seen| request(seen, false)).collect(),
            log: log(&["code", "flags", "details", "route", "chain"]),
            ..Outcome::default()
        },
        Reach::Answered => {
            let first = outcome.seen.iter().position(|seen| chosen(&line, seen));
            let seen = outcome.seen.iter().enumerate();
            Outcome {
                answers: vec![bare],
                seen: seen.map(|(index, seen)| request(seen, Some(index) == first)).collect(),
                log: log(&["code", "flags", "details", "cluster", "upstream", "route", "chain"]),
                ..Outcome::default()
            }
        }
        Reach::Chosen => Outcome { log: log(&["cluster", "route", "chain"]), ..Outcome::default() },
    }
}

fn pair((name, value): (&String, &String)) -> (String, String) {
    (name.clone(), value.clone())
}

/// A request as far as configuration decides it; of a mirrored one, who got it.
fn request(seen: &Seen, whole: bool) -> Seen {
    let name = Seen { backend: seen.backend.clone(), ..Seen::default() };
    if !whole {
        return name;
    }
    Seen {
        method: seen.method.clone(),
        path: seen.path.clone(),
        authority: seen.authority.clone(),
        headers: configured(&seen.headers),
        ..name
    }
}

fn configured(headers: &[(String, String)]) -> Vec<(String, String)> {
    let kept = headers.iter().filter(|(name, _)| !is_framing(name));
    let mut kept: Vec<_> = kept.map(|(name, value)| (name.to_ascii_lowercase(), value.clone())).collect();
    kept.sort_by(|(one, _), (other, _)| one.cmp(other));
    kept
}

fn is_framing(name: &str) -> bool {
    FRAMING.iter().any(|framing| name.eq_ignore_ascii_case(framing))
}

fn chosen(line: &std::collections::BTreeMap<String, String>, seen: &Seen) -> bool {
    line.get("upstream").is_some_and(|host| *host == format!("<backend {}>", seen.backend))
}

/// How far the call of a normalized outcome came, or why that is not for configuration to say.
fn reach(outcome: &Outcome) -> Result<Reach, &'static str> {
    let answer = outcome.answers.first().ok_or("no answer")?;
    if answer.end == End::Tls {
        return Err("the handshake fails");
    }
    let Some(line) = outcome.log.first() else {
        let closed = answer.status == 0 && answer.end == End::Closed;
        return if closed { Ok(Reach::Closed) } else { Err("a call without a line in the access log") };
    };
    let field = |name: &str| line.get(name).map_or("-", String::as_str);
    if field("chain") == "?" {
        return Err("an access log of its own form");
    }
    if field("flags").split(',').any(|flag| BY_STATE.contains(&flag)) {
        return Err("decided by time, state, client or codec");
    }
    if BY_BODY.contains(&field("details")) {
        return Err("decided by the length of a body");
    }
    Ok(match (field("upstream"), field("details"), field("attempts")) {
        ("-", _, _) => Reach::Own,
        (_, "via_upstream", "1") => Reach::Answered,
        _ => Reach::Chosen,
    })
}

/// The calls of a row that ran, one by one.
fn split(outcome: &Outcome, calls: usize) -> Result<Vec<Outcome>, &'static str> {
    if calls == 1 && outcome.answers.len() == 1 && outcome.log.len() < 2 {
        return Ok(vec![outcome.clone()]);
    }
    if outcome.answers.len() != calls || outcome.log.len() != calls {
        return Err("calls, answers and lines of the access log are not one to one");
    }
    let mut seen = outcome.seen.iter();
    let parts: Vec<Outcome> = outcome
        .answers
        .iter()
        .zip(&outcome.log)
        .map(|(answer, line)| Outcome {
            answers: vec![answer.clone()],
            log: vec![line.clone()],
            seen: seen.by_ref().take(usize::from(line["upstream"] != "-")).cloned().collect(),
            ..Outcome::default()
        })
        .collect();
    let forwarded = parts.iter().filter(|part| part.log[0]["upstream"] != "-").count();
    if outcome.seen.len() == forwarded { Ok(parts) } else { Err("requests that cannot be told apart") }
}

fn judge_tally(row: &Row, ran: &Outcome, tally: &Tally) -> Verdict {
    let Some(real) = &ran.tally else { return Verdict::Skipped("the row counts nothing") };
    let of = |tally: &Tally| Outcome { tally: Some(tally.clone()), ..Outcome::default() };
    let expect = Expect {
        status: row.expect.status.clone(),
        shares: row.expect.shares.clone(),
        exact: row.expect.exact,
        ..Expect::default()
    };
    let (differences, missed) = (agree(&of(real), &of(tally)), hold(&expect, &[], &of(tally), &[]));
    match (differences.is_empty(), missed.is_empty()) {
        (true, true) => Verdict::Agree,
        (true, false) => Verdict::Fault(missed),
        (false, _) => Verdict::Differ(differences.into_iter().chain(missed).collect()),
    }
}

/// The expectations of a row that are about what [`project`] keeps.
fn decided_part(expect: &Expect, reaches: &[Reach], took: &[u64]) -> Expect {
    let all = |kinds: &[Reach]| reaches.iter().all(|reach| kinds.contains(reach));
    let last = |kinds: &[Reach]| reaches.last().is_some_and(|reach| kinds.contains(reach));
    let answered = all(&[Reach::Own, Reach::Answered]);
    let mut kept = Expect::default();
    if answered || all(&[Reach::Closed]) {
        kept.status.clone_from(&expect.status);
    }
    if answered {
        kept.backend.clone_from(&expect.backend);
        kept.log = expect.log.clone();
        let names = ["code", "flags", "details", "route", "chain"];
        let upstream = ["cluster", "upstream"];
        kept.log.retain(|name, _| {
            names.contains(&name.as_str()) || all(&[Reach::Answered]) && upstream.contains(&name.as_str())
        });
    }
    if last(&[Reach::Own, Reach::Answered]) {
        kept.headers = expect.headers.clone();
        kept.headers.retain(|name, _| !is_framing(name));
    }
    if last(&[Reach::Own]) {
        kept.body.clone_from(&expect.body);
    }
    if last(&[Reach::Answered])
        && let Some(seen) = &expect.seen
        && reaches.len() == 1
    {
        let mut seen = seen.clone();
        seen.headers.retain(|name, _: &mut Want| !is_framing(name));
        (seen.protocol, seen.body, seen.sni, seen.alpn, seen.peer) = (None, None, None, None, None);
        seen.trailers.clear();
        kept.seen = Some(seen);
    }
    // A delay that is configured is all the time that a simulation knows of.
    if took.last().is_some_and(|delay| *delay > 0) {
        kept.took = expect.took;
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn outcome(upstream: &str, change: impl FnOnce(&mut Outcome)) -> Outcome {
        let log: BTreeMap<String, String> =
            [("upstream", upstream), ("flags", "-"), ("details", "via_upstream"), ("attempts", "1")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into();
        let seen = Seen { backend: "a".into(), path: "/".into(), ..Seen::default() };
        let mut outcome = Outcome {
            answers: vec![Answer { status: 200, body: "a".into(), ..Answer::default() }],
            seen: if upstream == "-" { Vec::new() } else { vec![seen] },
            log: vec![log],
            ..Outcome::default()
        };
        change(&mut outcome);
        outcome
    }

    fn verdict(ran: &Outcome, simulated: Outcome) -> Verdict {
        let facts = Facts::default();
        judge(&Row::default(), (ran, &facts), (&Decided::Calls(vec![vec![simulated]]), &facts))
    }

    #[test]
    fn what_the_upstream_says_is_not_compared_and_what_it_sees_is() {
        let host = "<backend a>";
        let ran = outcome(host, |outcome| outcome.answers[0].body = "another".into());
        assert!(matches!(verdict(&ran, outcome(host, |_| {})), Verdict::Agree));
        let parts: [fn(&mut Outcome); 5] = [
            |outcome| outcome.seen[0].path = "/x".into(),
            |outcome| outcome.seen[0].backend = "b".into(),
            |outcome| outcome.seen[0].headers.push(("x-added".into(), "1".into())),
            |outcome| outcome.answers[0].headers.push(("x-added".into(), "1".into())),
            |outcome| outcome.answers[0].status = 503,
        ];
        for part in parts {
            assert!(matches!(verdict(&ran, outcome(host, part)), Verdict::Differ(_)));
        }
    }

    #[test]
    fn own_answers_are_compared_whole() {
        let ran = outcome("-", |_| {});
        assert!(matches!(verdict(&ran, outcome("-", |_| {})), Verdict::Agree));
        let other = outcome("-", |outcome| outcome.answers[0].body = "b".into());
        assert!(matches!(verdict(&ran, other), Verdict::Differ(_)));
        assert!(matches!(verdict(&ran, outcome("<backend a>", |_| {})), Verdict::Differ(_)));
    }

    #[test]
    fn time_and_state_are_not_judged() {
        let ran = outcome("-", |outcome| {
            outcome.log[0].insert("flags".into(), "UO".into());
        });
        assert!(matches!(verdict(&ran, outcome("-", |_| {})), Verdict::Skipped(_)));
    }
}
