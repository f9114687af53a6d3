//! The proxies that are measured: one file for each tells how it is configured and started.

mod direct;
mod envoy;
mod floor;
mod haproxy;
pub(super) mod nginx;
mod weft;

use super::backend::Upstream;
use super::figures::{Figure, Sample};
use super::ground::Ground;
use super::program::{PROXY_CPU, Program};
use super::spec::Spec;
use anyhow::{Result, bail};
use std::time::Duration;

/// A kind of proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// No proxy: the load goes to the backend.
    Direct,
    /// The least that a proxy of this protocol can do, by us.
    Floor,
    Nginx,
    Haproxy,
    Envoy,
    Weft,
}

/// What came of starting one.
#[derive(Debug)]
pub(super) enum Outcome {
    Running(Running),
    /// It cannot do what the case asks, and why.
    Cannot(String),
}

/// A proxy, or two in a row.
#[derive(Debug)]
pub(super) struct Running {
    programs: Vec<Program>,
    /// Where the load goes.
    pub(super) port: u16,
}

impl Kind {
    pub(super) const ALL: [Self; 6] =
        [Self::Direct, Self::Floor, Self::Nginx, Self::Haproxy, Self::Envoy, Self::Weft];

    /// What `--proxies` takes.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Floor => "floor",
            Self::Nginx => "nginx",
            Self::Haproxy => "haproxy",
            Self::Envoy => "envoy",
            Self::Weft => "weft",
        }
    }

    /// The kinds of these names.
    ///
    /// # Errors
    /// A name that is none.
    pub(super) fn named(names: &[String]) -> Result<Vec<Self>> {
        names
            .iter()
            .map(|name| {
                let Some(kind) = Self::ALL.into_iter().find(|kind| kind.name() == name) else {
                    let known = Self::ALL.map(Self::name).join(", ");
                    bail!("no proxy `{name}`; there are {known}");
                };
                Ok(kind)
            })
            .collect()
    }

    /// Starts it in front of a backend.
    ///
    /// # Errors
    /// When it does not come up although it should.
    pub(super) fn start(self, ground: &Ground, spec: &Spec, upstream: &Upstream) -> Result<Outcome> {
        match self {
            Self::Direct => direct::start(spec, upstream),
            Self::Floor => floor::start(ground, spec, upstream),
            Self::Nginx => nginx::start(ground, spec, upstream),
            Self::Haproxy => haproxy::start(ground, spec, upstream),
            Self::Envoy => envoy::start(ground, spec, upstream),
            Self::Weft => weft::start(ground, spec, upstream),
        }
    }
}

/// Says why a kind takes no part.
fn cannot(why: &str) -> Result<Outcome> {
    Ok(Outcome::Cannot(why.to_owned()))
}

impl Running {
    /// Starts one program on the cpu of proxies.
    fn one<S: AsRef<str>>(ground: &Ground, words: &[S], port: u16) -> Result<Outcome> {
        let program = Program::start(PROXY_CPU, words, port, &ground.dir)?;
        Ok(Outcome::Running(Self { programs: vec![program], port }))
    }

    /// CPU time of all its programs.
    ///
    /// # Errors
    /// When one of them has ended.
    pub(super) fn cpu(&self) -> Result<Duration> {
        self.programs.iter().map(Program::cpu).sum()
    }

    /// Memory and time to start; nothing where there is no proxy.
    pub(super) fn footprint(&self, now: bool) -> Sample {
        if self.programs.is_empty() {
            return Sample::new();
        }
        let memory = |program: &Program| if now { program.memory_now() } else { program.peak_memory() };
        let start: Duration = self.programs.iter().map(|program| program.started_in).sum();
        Sample::from([
            (Figure::Memory, self.programs.iter().map(memory).sum()),
            (Figure::Start, start.as_secs_f64() * 1e3),
        ])
    }

    /// Whether there is a proxy at all.
    pub(super) fn is_some(&self) -> bool {
        !self.programs.is_empty()
    }
}
