//! The simulator: the bootstrap that the proxies get becomes tables, a call becomes a question to
//! them, and no socket is opened. What of the answer counts, [`crate::judge::decided`] says.

use super::question::{managers, question};
use super::{Job, Subject, Trial};
use crate::bootstrap::{Places, expand, fill};
use crate::judge::decided::Decided;
use crate::normalize::Facts;
use crate::outcome::{Answer, End, Outcome, Seen, Tally, body_text};
use crate::table::{BackendSpec, Kind, Reply, Row, Step};
use anyhow::Result;
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;
use weft_proto::envoy::config::bootstrap::v3::Bootstrap;
use weft_tables::Tables;
use weft_tables::address::SocketAddress;
use weft_tables::convert::{self, DataSource};
use weft_tables::hcm::LocalReplyConfig;
use weft_types::random::SplitMix;
use weft_types::{Headers, Method, ResponseHead};

/// How many draws of the dice show every outcome that chance allows: one of eight equally likely
/// hosts is missed once in five thousand rows.
const DRAWS: u64 = 64;

/// Ports of backends that do not run, above those that [`address::free_port`] gives out.
const FIRST_PORT: u16 = 40_001;

/// `weft_simulate` as a subject.
#[derive(Debug, Clone, Copy, Default)]
pub struct Simulator;

impl Subject for Simulator {
    fn name(&self) -> &'static str {
        "simulator"
    }

    fn run<'a>(&'a self, job: &'a Job) -> Pin<Box<dyn Future<Output = Trial> + 'a>> {
        Box::pin(async move {
            simulate(job).unwrap_or_else(|error| Trial::failed(job, &format!("simulator: {error:#}")))
        })
    }
}

/// Files of the run.
struct Files;

impl DataSource for Files {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        std::fs::read(path).map_err(|error| error.to_string())
    }

    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }
}

/// A world as tables.
pub(super) struct Model<'a> {
    pub(super) tables: Arc<Tables>,
    pub(super) facts: Facts,
    specs: &'a BTreeMap<String, BackendSpec>,
    now: Instant,
}

fn simulate(job: &Job) -> Result<Trial> {
    let dir = tempfile::tempdir()?;
    let backends: BTreeMap<String, u16> = job.world.backends.keys().cloned().zip(FIRST_PORT..).collect();
    let mut places = Places {
        listeners: BTreeMap::new(),
        backends,
        closed: FIRST_PORT - 1,
        certs: &job.certs,
        dir: dir.path(),
    };
    let mut bootstrap = expand(&job.world.bootstrap)?;
    fill(&mut bootstrap, &mut places)?;
    let proto = weft_proto::text::parse_json::<Bootstrap>(&bootstrap.to_string()).accepted()?;
    let (tables, _) = convert::bootstrap(&proto, &Files);
    let facts = Facts {
        listeners: places.listeners.clone(),
        backends: places.backends.clone(),
        closed: places.closed,
        dir: dir.path().display().to_string(),
    };
    let tables = Arc::new(tables);
    let model = Model { tables, facts: facts.clone(), specs: &job.world.backends, now: Instant::now() };
    let rows = job.world.rows.iter().enumerate();
    let decided = rows.map(|(index, row)| row.runs_at(job.workers).then(|| model.row(index, row))).collect();
    Ok(Trial { decided: Some(decided), facts, ..Trial::default() })
}

impl Model<'_> {
    fn row(&self, index: usize, row: &Row) -> Decided {
        let (mut calls, mut times) = (Vec::new(), 0);
        for step in row.steps() {
            match &step {
                Step::Call(call) => match question(self, index, call) {
                    Ok(asked) => {
                        calls.push(asked);
                        times += call.times;
                    }
                    Err(why) => return Decided::Open(why),
                },
                Step::Wait(_) => return Decided::Open("about the passing of time"),
                Step::Together { .. } => return Decided::Open("about calls at the same time"),
            }
        }
        match calls.as_slice() {
            [] => Decided::Open("no call"),
            several if times == 0 => self.calls(row, several),
            [call] => self.tally(row, call, times),
            _ => Decided::Open("counts over several kinds of calls"),
        }
    }

    fn calls(&self, row: &Row, calls: &[weft_simulate::Call]) -> Decided {
        let mut alternatives: Vec<Vec<Outcome>> = vec![Vec::new(); calls.len()];
        for seed in 0..DRAWS {
            let mut play = Play::new(self, row, seed);
            for (call, known) in calls.iter().zip(&mut alternatives) {
                let outcome = match play.call(call) {
                    Ok(outcome) => outcome,
                    Err(why) => return Decided::Open(why),
                };
                if !known.iter().any(|other| same(other, &outcome)) {
                    known.push(outcome);
                }
            }
        }
        Decided::Calls(alternatives)
    }

    fn tally(&self, row: &Row, call: &weft_simulate::Call, times: u32) -> Decided {
        let mut play = Play::new(self, row, 0);
        let mut tally = Tally::default();
        for _ in 0..times {
            let outcome = match play.call(call) {
                Ok(outcome) => outcome,
                Err(why) => return Decided::Open(why),
            };
            for seen in &outcome.seen {
                *tally.backend.entry(seen.backend.clone()).or_default() += 1;
            }
            let status = outcome.answers.first().map_or(0, |answer| answer.status);
            *tally.status.entry(status).or_default() += 1;
        }
        Decided::Tally(tally)
    }

    fn backend(&self, port: Option<u16>) -> Option<&str> {
        self.facts.backends.iter().find(|(_, known)| Some(**known) == port).map(|(name, _)| name.as_str())
    }
}

/// Outcomes that differ in random identifiers only are the same alternative.
fn same(one: &Outcome, other: &Outcome) -> bool {
    let facts = Facts::default();
    crate::normalize::normalize(one, &facts) == crate::normalize::normalize(other, &facts)
}

/// One row at one course of the dice.
struct Play<'a> {
    model: &'a Model<'a>,
    row: &'a Row,
    /// The same questions are put to both; the scout only tells which host will answer.
    scout: (weft_simulate::Simulator, SplitMix),
    judge: (weft_simulate::Simulator, SplitMix),
    answered: BTreeMap<String, usize>,
}

impl<'a> Play<'a> {
    fn new(model: &'a Model<'a>, row: &'a Row, seed: u64) -> Self {
        let process = || (weft_simulate::Simulator::new(model.tables.clone()), SplitMix::new(seed));
        Self { model, row, scout: process(), judge: process(), answered: BTreeMap::new() }
    }

    fn call(&mut self, call: &weft_simulate::Call) -> Result<Outcome, &'static str> {
        let (scout, dice) = &mut self.scout;
        let verdict = scout.judge(call, self.model.now, dice);
        if let Some(cluster) = verdict.cluster().and_then(|name| self.model.tables.clusters.get(name))
            && (cluster.outlier.is_some() || cluster.health_check.is_some())
        {
            return Err("health is a matter of time");
        }
        let own = matches!(verdict.outcome, weft_simulate::Outcome::Response { .. });
        let listener = self.model.tables.listeners.get(call.listener.as_str());
        let mut managers = listener.into_iter().flat_map(|listener| managers(listener));
        if own && managers.any(|manager| is_formed(&manager.local_reply)) {
            return Err("forms of local replies are not simulated");
        }
        let host = verdict.host().and_then(SocketAddress::ip);
        let backend = self.model.backend(host.map(|address| address.port())).map(str::to_owned);
        let answer = match backend.as_deref() {
            Some(name) => self.answer(name).ok_or("about bytes on the wire")?,
            None => ResponseHead::new(200),
        };
        let (judge, dice) = &mut self.judge;
        let verdict = judge.judge(&weft_simulate::Call { answer, ..call.clone() }, self.model.now, dice);
        match verdict.unfinished {
            Some(why) => Err(why),
            None => Ok(self.model.outcome(&verdict, backend)),
        }
    }

    /// The head of the next scripted answer of a backend; none if it is not HTTP.
    fn answer(&mut self, name: &str) -> Option<ResponseHead> {
        let used = self.answered.entry(name.to_owned()).or_default();
        let script = self.row.given.get(name).map(Vec::as_slice).unwrap_or_default();
        let default = Reply::default();
        let own = self.model.specs.get(name).map_or(&default, |spec| &spec.reply);
        let reply = script.get(*used).or(script.last()).unwrap_or(own);
        *used += 1;
        if reply.raw.is_some() {
            return None;
        }
        let mut head = ResponseHead::new(reply.status);
        head.headers.append("x-backend", name);
        for (name, value) in &reply.headers {
            head.headers.append(name, value);
        }
        Some(head)
    }
}

impl Model<'_> {
    /// A verdict as if it had been seen.
    fn outcome(&self, verdict: &weft_simulate::Verdict, backend: Option<String>) -> Outcome {
        let or_dash = |text: Option<&str>| text.filter(|text| !text.is_empty()).unwrap_or("-").to_owned();
        let mut answer = Answer {
            took_ms: u64::try_from(verdict.delay.as_millis()).unwrap_or(u64::MAX),
            ..Answer::default()
        };
        if let weft_simulate::Outcome::Closed(_) = &verdict.outcome {
            answer.end = End::Closed;
            return Outcome { answers: vec![answer], ..Outcome::default() };
        }
        answer.status = verdict.status().unwrap_or(0);
        answer.headers = verdict.headers().map(list).unwrap_or_default();
        let mut seen = Vec::new();
        match &verdict.outcome {
            weft_simulate::Outcome::Response { body, .. } => answer.body = body_text(body),
            weft_simulate::Outcome::Forwarded { head: Some(head), mirrors, .. } => {
                // The target of a CONNECT is its authority.
                let path = if head.method == Method::Connect { &head.authority } else { &head.path };
                let runs = |name: &str| self.specs.get(name).is_some_and(|spec| spec.kind == Kind::Http);
                if let Some(name) = backend.filter(|name| runs(name)) {
                    seen.push(Seen {
                        backend: name,
                        method: head.method.as_str().to_owned(),
                        path: path.to_string(),
                        authority: head.authority.to_string(),
                        headers: list(&head.headers),
                        ..Seen::default()
                    });
                }
                let copies = mirrors.iter().filter_map(|cluster| self.only_backend(cluster));
                seen.extend(
                    copies.filter(|name| runs(name)).map(|backend| Seen { backend, ..Seen::default() }),
                );
            }
            _ => {}
        }
        let line = [
            ("code", answer.status.to_string()),
            ("flags", verdict.flags.to_string()),
            ("details", or_dash(verdict.word())),
            ("cluster", or_dash(verdict.cluster())),
            ("upstream", verdict.host().map_or("-".to_owned(), ToString::to_string)),
            ("route", or_dash(verdict.route.as_deref())),
            ("chain", or_dash(verdict.chain.as_deref())),
            ("attempts", "1".to_owned()),
        ];
        let log = vec![line.map(|(name, value)| (name.to_owned(), value)).into()];
        Outcome { answers: vec![answer], seen, log, ..Outcome::default() }
    }

    /// The backend of a cluster that has but one.
    fn only_backend(&self, cluster: &str) -> Option<String> {
        let weft_tables::cluster::Discovery::Static(endpoints) =
            &self.tables.clusters.get(cluster)?.discovery
        else {
            return None;
        };
        let hosts = endpoints.localities.iter().flat_map(|locality| &locality.endpoints);
        let names: BTreeSet<&str> = hosts
            .filter_map(|endpoint| self.backend(endpoint.address.ip().map(|address| address.port())))
            .collect();
        names.first().filter(|_| names.len() == 1).map(|name| (*name).to_owned())
    }
}

fn is_formed(config: &LocalReplyConfig) -> bool {
    !config.mappers.is_empty() || config.body_format.is_some()
}

fn list(headers: &Headers) -> Vec<(String, String)> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    headers.iter().map(|(name, value)| (text(name), text(value))).collect()
}
