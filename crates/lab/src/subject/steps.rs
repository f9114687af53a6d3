//! A row, step by step, against a running proxy.

use crate::backend::Backends;
use crate::client::{Client, Dialer};
use crate::outcome::{Answer, Outcome, Tally};
use crate::table::{Call, Row, Step, get};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// How long a whole row may take.
const ROW: Duration = Duration::from_secs(40);

/// What a row is played on.
pub(crate) struct Stage<'a> {
    pub(crate) backends: &'a Backends,
    pub(crate) admin: &'a Dialer,
    pub(crate) dialer: Dialer,
}

impl Stage<'_> {
    /// Plays a row; the access log is added later, when it has been written.
    pub(crate) async fn play(&self, row: &Row) -> Outcome {
        timeout(ROW, self.try_play(row))
            .await
            .unwrap_or_else(|_| Outcome::failed(format!("row took over {ROW:?}")))
    }

    async fn try_play(&self, row: &Row) -> Outcome {
        self.backends.script(&row.given);
        let before = self.counters(row).await;
        let mut client = Client::new(self.dialer.clone());
        let mut answers = Vec::new();
        let mut tally: Option<Tally> = None;
        for step in row.steps() {
            match step {
                Step::Wait(ms) => sleep(Duration::from_millis(ms)).await,
                Step::Call(call) if call.times > 0 => {
                    let tally = tally.get_or_insert_default();
                    repeat(&mut client, &call, tally).await;
                }
                Step::Call(call) => answers.extend(client.call(&call).await),
                Step::Together { stagger, times, calls } => {
                    let calls: Vec<Call> = (0..times).flat_map(|_| calls.iter().cloned()).collect();
                    let mut group = client.together(&calls, Duration::from_millis(stagger)).await;
                    if stagger == 0 {
                        // Started at once: who was served first is chance.
                        group.sort_by_key(|answer| (answer.status, answer.end, answer.body.clone()));
                    }
                    answers.extend(group);
                }
            }
        }
        sleep(Duration::from_millis(row.settle)).await;
        drop(client);
        let mut outcome = Outcome { answers, ..Outcome::default() };
        if let Some(mut tally) = tally {
            tally.backend = self.backends.counts();
            outcome.tally = Some(tally);
        } else {
            outcome.seen = self.backends.seen().await;
        }
        let after = self.counters(row).await;
        let change = |(name, value): (String, i64)| {
            let was = before.get(&name).copied().unwrap_or(0);
            (name, value - was)
        };
        outcome.stats = after.into_iter().map(change).collect();
        outcome
    }

    /// The counters that the row asks about, as they stand; one that is not there is 0.
    async fn counters(&self, row: &Row) -> BTreeMap<String, i64> {
        let wanted: Vec<&String> = row.expect.stats.keys().collect();
        if wanted.is_empty() {
            return BTreeMap::new();
        }
        let Ok(call) = get("admin", "/stats") else { return BTreeMap::new() };
        let answers = self.admin.call_whole(&call).await;
        let lines: BTreeMap<&str, i64> = answers
            .lines()
            .filter_map(|line| line.rsplit_once(": "))
            .filter_map(|(name, value)| Some((name, value.parse().ok()?)))
            .collect();
        wanted
            .into_iter()
            .map(|name| (name.clone(), lines.get(name.as_str()).copied().unwrap_or(0)))
            .collect()
    }
}

async fn repeat(client: &mut Client, call: &Call, tally: &mut Tally) {
    for number in 0..call.times {
        let label = format!("times-{}", number % call.conns);
        let call = Call { conn: Some(label), ..call.clone() };
        for Answer { status, .. } in client.call(&call).await {
            *tally.status.entry(status).or_default() += 1;
        }
    }
}
