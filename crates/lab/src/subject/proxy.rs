//! Real Envoy and `weft-proxy`: both get the same file, apart from ports and paths.

use super::steps::Stage;
use super::{Job, Subject, Trial};
use crate::address;
use crate::backend::Backends;
use crate::bootstrap::{LOG_FIELDS, Places, expand, fill};
use crate::client::Dialer;
use crate::normalize::Facts;
use crate::outcome::Outcome;
use crate::process::Process;
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;

/// A proxy that is run as a process.
#[derive(Debug, Clone)]
pub struct Proxy {
    /// Name in the report.
    pub name: String,
    /// Which command line it understands.
    pub program: Program,
    /// The binary.
    pub path: PathBuf,
}

/// Which command line a proxy understands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// Envoy's.
    Envoy,
    /// `weft-proxy`'s.
    Weft,
}

impl Proxy {
    fn command(&self, config: &Path, workers: u32) -> Command {
        let mut command = Command::new(&self.path);
        match self.program {
            Program::Envoy => {
                command.arg("-c").arg(config).args(["--disable-hot-restart", "-l", "error"]);
                // The default of ten seconds would make every row wait for its log line.
                command.args(["--file-flush-interval-msec", "20"]);
            }
            Program::Weft => {
                command.arg("--config").arg(config);
            }
        }
        command.arg("--concurrency").arg(workers.to_string());
        command
    }

    async fn try_run(&self, job: &Job) -> Result<Trial> {
        let dir = tempfile::tempdir()?;
        let backends = Backends::start(&job.world.backends, &job.certs).await.context("starting backends")?;
        let mut places = Places {
            listeners: BTreeMap::new(),
            backends: backends.ports().clone(),
            closed: address::free_port()?,
            certs: &job.certs,
            dir: dir.path(),
        };
        let mut bootstrap = expand(&job.world.bootstrap)?;
        fill(&mut bootstrap, &mut places)?;
        let config = dir.path().join("envoy.json");
        std::fs::write(&config, serde_json::to_vec_pretty(&bootstrap)?)?;

        let facts = Facts {
            listeners: places.listeners.clone(),
            backends: places.backends.clone(),
            closed: places.closed,
            dir: dir.path().display().to_string(),
        };
        let dialer =
            |source| Dialer { ports: Arc::new(facts.listeners.clone()), source, certs: job.certs.clone() };
        let mut process = Process::start(self.command(&config, job.workers), dir.path())?;
        let ready = crate::table::get("admin", "/ready")?;
        let admin = dialer(address::host());
        process.until_ready(|| async { admin.call(&ready).await[0].status == 200 }).await?;

        let mut outcomes = Vec::new();
        for (index, row) in job.world.rows.iter().enumerate() {
            if !row.runs_at(job.workers) {
                outcomes.push(None);
                continue;
            }
            if !process.alive() {
                outcomes
                    .push(Some(Outcome::failed(format!("the proxy had ended: {}", process.complaints()))));
                continue;
            }
            let stage = Stage { backends: &backends, admin: &admin, dialer: dialer(address::row(index)) };
            outcomes.push(Some(stage.play(row).await));
        }
        let log = settled(&dir.path().join("access.log")).await;
        for (index, outcome) in outcomes.iter_mut().enumerate() {
            let source = address::row(index).to_string();
            if let Some(outcome) = outcome {
                outcome.log = log.iter().filter(|line| line["client"] == source).cloned().collect();
            }
        }
        let complaints = process.complaints();
        process.stop().await;
        Ok(Trial { outcomes, facts, complaints, ..Trial::default() })
    }
}

impl Subject for Proxy {
    fn name(&self) -> &str {
        &self.name
    }

    fn run<'a>(&'a self, job: &'a Job) -> Pin<Box<dyn Future<Output = Trial> + 'a>> {
        Box::pin(async move {
            self.try_run(job)
                .await
                .unwrap_or_else(|error| Trial::failed(job, &format!("{}: {error:#}", self.name)))
        })
    }
}

/// The lines of an access log, once nothing has been added for a while.
async fn settled(path: &Path) -> Vec<BTreeMap<String, String>> {
    let mut text = String::new();
    let mut quiet = 0;
    for _ in 0..60 {
        sleep(Duration::from_millis(25)).await;
        let now =
            std::fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
        quiet = if now == text { quiet + 1 } else { 0 };
        text = now;
        if quiet == 4 {
            break;
        }
    }
    text.lines().map(parse_line).collect()
}

fn parse_line(line: &str) -> BTreeMap<String, String> {
    let mut values = line.split('\t');
    LOG_FIELDS.iter().map(|(name, _)| ((*name).to_owned(), values.next().unwrap_or("?").to_owned())).collect()
}
