//! Who is judged: real Envoy, `weft-proxy`, and the simulator, which runs nothing and so decides only
//! a part of what an outcome holds.

mod proxy;
mod question;
mod simulator;
mod steps;

pub use proxy::{Program, Proxy};
pub use simulator::Simulator;

use crate::certs::Certs;
use crate::judge::decided::Decided;
use crate::normalize::Facts;
use crate::outcome::Outcome;
use crate::table::World;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

/// One world to be run at one worker count.
#[derive(Debug, Clone)]
pub struct Job {
    /// The world.
    pub world: Arc<World>,
    /// Worker threads of the proxy.
    pub workers: u32,
    /// Certificates of the run.
    pub certs: Arc<Certs>,
}

/// What a subject made of a world.
#[derive(Debug, Default)]
pub struct Trial {
    /// One outcome per row of the world, in order; none where the subject cannot judge the row or the
    /// row does not run at this worker count.
    pub outcomes: Vec<Option<Outcome>>,
    /// In place of outcomes, what a subject that runs nothing decides of each row.
    pub decided: Option<Vec<Option<Decided>>>,
    /// What [`crate::normalize`] must know of this run.
    pub facts: Facts,
    /// What the subject complained about, for the report.
    pub complaints: String,
}

impl Trial {
    /// A trial in which nothing could be done.
    pub fn failed(job: &Job, why: &str) -> Self {
        let outcome = |row: &crate::table::Row| row.runs_at(job.workers).then(|| Outcome::failed(why));
        Trial { outcomes: job.world.rows.iter().map(outcome).collect(), ..Trial::default() }
    }
}

/// Someone who can be judged.
pub trait Subject: Send + Sync + std::fmt::Debug {
    /// Name in the report.
    fn name(&self) -> &str;

    /// Runs every row of the world.
    fn run<'a>(&'a self, job: &'a Job) -> Pin<Box<dyn Future<Output = Trial> + 'a>>;
}
