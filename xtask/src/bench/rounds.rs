//! Runs a case: every proxy once a round, in turn (A B C A B C …), so that a machine whose speed drifts
//! treats all alike.

use super::backend::Upstream;
use super::case::Case;
use super::figures::{Figure, Rounds, Sample};
use super::ground::Ground;
use super::kind::{Kind, Outcome, Running};
use super::load::{Load, paced};
use super::program::address;
use anyhow::{Context, Result, bail};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// How long and how often.
#[derive(Debug, Clone, Copy)]
pub(super) struct Length {
    pub(super) rounds: usize,
    /// Seconds of one measurement.
    pub(super) seconds: u64,
    /// Seconds at 1,000 requests/s; 0 is not at all.
    pub(super) paced_seconds: u64,
    /// Seconds of load before the first round.
    pub(super) warm_up: u64,
}

/// What became of one proxy in a case.
#[derive(Debug)]
pub(super) enum Row {
    Measured(Rounds),
    /// It took no part, or failed, and why.
    Absent(String),
}

/// What became of a case.
#[derive(Debug)]
pub(super) struct Ran {
    pub(super) case: Case,
    pub(super) rows: Vec<(Kind, Row)>,
}

impl Ran {
    /// The rounds of a kind, if it was measured.
    pub(super) fn of(&self, kind: Kind) -> Option<&Rounds> {
        self.rows.iter().find_map(|(known, row)| match row {
            Row::Measured(rounds) if *known == kind => Some(rounds),
            _ => None,
        })
    }
}

/// Runs a case with these kinds. A kind that fails is a row that says so; the others go on.
///
/// # Errors
/// When the backend does not come up.
pub(super) fn run(ground: &Ground, case: &Case, kinds: &[Kind], length: Length) -> Result<Ran> {
    let upstream = case.backend.start(ground)?;
    let mut entrants: Vec<Entrant> =
        kinds.iter().map(|kind| Entrant::new(ground, case, *kind, &upstream)).collect();
    for entrant in &mut entrants {
        entrant.warm_up(ground, case, length.warm_up);
    }
    for round in 0..length.rounds {
        for entrant in &mut entrants {
            entrant.round(ground, case, &upstream, length, round);
        }
    }
    let rows = entrants.into_iter().map(|entrant| (entrant.kind, entrant.row)).collect();
    Ok(Ran { case: *case, rows })
}

/// One proxy in a case.
struct Entrant {
    kind: Kind,
    running: Option<Running>,
    row: Row,
}

impl Entrant {
    fn new(ground: &Ground, case: &Case, kind: Kind, upstream: &Upstream) -> Self {
        let mut entrant = Self { kind, running: None, row: Row::Measured(Rounds::default()) };
        match kind.start(ground, &case.spec, upstream) {
            // Where each measurement is of a fresh proxy, this was but the question whether it can.
            Ok(Outcome::Running(_)) if case.load.restarts() => {}
            Ok(Outcome::Running(running)) => entrant.running = Some(running),
            Ok(Outcome::Cannot(why)) => entrant.row = Row::Absent(why),
            Err(error) => entrant.fail(&error),
        }
        entrant
    }

    fn fail(&mut self, error: &anyhow::Error) {
        self.running = None;
        self.row = Row::Absent(format!("failed: {error:#}"));
    }

    fn warm_up(&mut self, ground: &Ground, case: &Case, seconds: u64) {
        let Some(running) = self.running.as_ref().filter(|_| seconds > 0) else { return };
        if let Err(error) = case.load.run(ground, running.port, seconds).context("warming up") {
            self.fail(&error);
        }
    }

    fn round(&mut self, ground: &Ground, case: &Case, upstream: &Upstream, length: Length, round: usize) {
        if matches!(self.row, Row::Absent(_)) {
            return;
        }
        let sample = match &self.running {
            Some(running) => measure(ground, case, running, length),
            None => afresh(ground, case, self.kind, upstream),
        };
        match (sample, &mut self.row) {
            (Ok(sample), Row::Measured(rounds)) => {
                println!("  round {} {:8} {}", round + 1, self.kind.name(), told(&sample));
                rounds.0.push(sample);
            }
            (Ok(_), Row::Absent(_)) => {}
            (Err(error), _) => self.fail(&error),
        }
    }
}

fn told(sample: &Sample) -> String {
    let told = |(figure, value): (&Figure, &f64)| format!("{value:.2} {}", figure.heading());
    sample.iter().map(told).collect::<Vec<_>>().join(", ")
}

/// One measurement of a running proxy.
fn measure(ground: &Ground, case: &Case, running: &Running, length: Length) -> Result<Sample> {
    let before = running.cpu()?;
    let done = case.load.run(ground, running.port, length.seconds)?;
    let cpu = running.cpu()?.saturating_sub(before);
    if done.operations < 1.0 {
        bail!("not one {} came through", case.unit);
    }
    let mut sample = done.sample;
    if running.is_some() {
        sample.insert(Figure::Cpu, cpu.as_secs_f64() * 1e6 / done.operations);
    }
    if case.paced && length.paced_seconds > 0 {
        let before = running.cpu()?;
        let done = paced(ground, running.port, length.paced_seconds, "/body")?;
        let cpu = running.cpu()?.saturating_sub(before);
        for (from, to) in [(Figure::P50, Figure::PacedP50), (Figure::P99, Figure::PacedP99)] {
            sample.extend(done.sample.get(&from).map(|value| (to, *value)));
        }
        if running.is_some() {
            sample.insert(Figure::PacedCpu, cpu.as_secs_f64() * 1e6 / done.operations);
        }
    }
    sample.extend(running.footprint(false));
    empty_logs(ground)?;
    Ok(sample)
}

/// One measurement of a proxy that is started for it.
fn afresh(ground: &Ground, case: &Case, kind: Kind, upstream: &Upstream) -> Result<Sample> {
    let Outcome::Running(running) = kind.start(ground, &case.spec, upstream)? else {
        bail!("it started before, and does not now");
    };
    let held = match case.load {
        Load::Hold { connections } => hold(running.port, connections)?,
        _ => Vec::new(),
    };
    // What it puts off to after its start belongs to it at rest.
    std::thread::sleep(Duration::from_millis(300));
    let sample = running.footprint(true);
    drop(held);
    Ok(sample)
}

/// Connections that did one request each.
fn hold(port: u16, connections: u32) -> Result<Vec<TcpStream>> {
    let mut held = Vec::new();
    for _ in 0..connections {
        let mut stream = TcpStream::connect(address(port))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(b"GET /body HTTP/1.1\r\nhost: bench\r\n\r\n")?;
        let mut answer = Vec::new();
        let mut buffer = [0; 4096];
        while !answer.ends_with(b"0123456789abcdef") || answer.len() < 1024 {
            let read = stream.read(&mut buffer)?;
            if read == 0 {
                bail!("a connection that should be held was closed");
            }
            answer.extend_from_slice(&buffer[..read]);
        }
        held.push(stream);
    }
    Ok(held)
}

/// Access logs are written for the sake of their cost, and not to fill the disk.
fn empty_logs(ground: &Ground) -> Result<()> {
    for entry in std::fs::read_dir(&ground.dir)?.flatten() {
        if entry.file_name().to_string_lossy().starts_with("access-") {
            std::fs::OpenOptions::new().write(true).truncate(true).open(entry.path())?;
        }
    }
    Ok(())
}
