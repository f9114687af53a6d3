//! What happens in the mesh, and when the proxies have it.

use super::mesh::{self, Mesh};
use super::metrics;
use super::proxies::{self, Ends, Got};
use crate::bench::program::Program;
use anyhow::{Context, Result, bail};
use serde::Serialize;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};
use tokio::sync::mpsc;

/// When nothing came for so long, nothing more comes.
const SILENCE: Duration = Duration::from_millis(400);
/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(120);

/// What a scene cost, for one change.
#[derive(Debug, Serialize)]
pub(super) struct Figure {
    pub(super) what: String,
    /// Changes that were made; all but times are shared by them.
    pub(super) changes: usize,
    pub(super) cpu_ms: f64,
    /// Of messages that proxies got.
    pub(super) bytes: f64,
    /// From the end of the debounce until a proxy had it.
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
    pub(super) last_ms: f64,
    pub(super) visited: f64,
    pub(super) built: f64,
    pub(super) sent: f64,
    /// Resident after it.
    pub(super) memory: f64,
}

pub(super) struct Stage<'s> {
    pub(super) program: &'s Program,
    pub(super) http: u16,
    pub(super) mesh: &'s Mesh,
    pub(super) folder: &'s Path,
    pub(super) frozen: usize,
}

/// What was got during a scene.
#[derive(Debug, Default)]
struct Tally {
    bytes: usize,
    resources: usize,
    /// Milliseconds of each proxy from when the change was taken.
    late: Vec<f64>,
}

/// Counters before a scene.
struct Before {
    cpu: Duration,
    metrics: metrics::Metrics,
}

impl Stage<'_> {
    fn before(&self) -> Result<Before> {
        Ok(Before { cpu: self.program.cpu_of_all()?, metrics: metrics::read(self.http)? })
    }

    fn after(&self, what: &str, before: &Before, changes: usize, mut tally: Tally) -> Result<Figure> {
        let cpu = self.program.cpu_of_all()?.saturating_sub(before.cpu);
        let now = metrics::read(self.http)?;
        let each = changes.max(1) as f64;
        let grown = |name: &str| (now.of(name) - before.metrics.of(name)) / each;
        tally.late.sort_by(f64::total_cmp);
        let at = |share: f64| {
            let place = ((tally.late.len() as f64 * share).ceil() as usize).clamp(1, tally.late.len().max(1));
            tally.late.get(place - 1).copied().unwrap_or_default()
        };
        Ok(Figure {
            what: what.to_owned(),
            changes,
            cpu_ms: cpu.as_secs_f64() * 1e3 / each,
            bytes: tally.bytes as f64 / each,
            p50_ms: at(0.5),
            p99_ms: at(0.99),
            last_ms: at(1.0),
            visited: grown("weft_objects_visited_total"),
            built: grown("weft_resources_built_total"),
            sent: tally.resources as f64 / each,
            memory: self.program.memory_now(),
        })
    }

    fn readers(&self) -> usize {
        self.mesh.proxies - self.frozen
    }

    /// Waits for all readers to get something of that kind, and then for silence.
    async fn hear(
        &self,
        got: &mut mpsc::UnboundedReceiver<Got>,
        kind: &str,
        tally: &mut Tally,
    ) -> Result<()> {
        let begun = Instant::now();
        let mut first: BTreeMap<usize, SystemTime> = BTreeMap::new();
        loop {
            match tokio::time::timeout(SILENCE, got.recv()).await {
                Ok(Some(one)) => {
                    tally.bytes += one.bytes;
                    tally.resources += one.resources;
                    if one.kind == kind {
                        first.entry(one.proxy).or_insert(one.at);
                    }
                }
                Ok(None) => bail!("no proxy is left"),
                Err(_) if first.len() >= self.readers() => break,
                Err(_) if begun.elapsed() > PATIENCE => {
                    bail!("{} of {} proxies got {kind}", first.len(), self.readers())
                }
                Err(_) => {}
            }
        }
        let taken = metrics::read(self.http)?.of("weft_change_taken_unix_micros");
        let late = first.values().map(|at| {
            let at = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64() * 1e6;
            (at - taken) / 1e3
        });
        tally.late.extend(late);
        Ok(())
    }
}

/// Plays all scenes.
pub(super) async fn play(
    stage: &Stage<'_>,
    port: u16,
    roots: &Path,
    times: usize,
    restarts: usize,
) -> Result<Vec<Figure>> {
    let (send, mut got) = mpsc::unbounded_channel();
    let freeze_from = Rc::new(Cell::new(usize::MAX));
    let ends = Ends {
        mesh: Rc::new(stage.mesh.clone()),
        port,
        tls: proxies::tls(roots)?,
        got: send,
        freeze_from: freeze_from.clone(),
    };
    let mut figures = vec![first_sync(stage, &ends, &mut got).await?];
    freeze_from.set(stage.readers());

    let mut tally = Tally::default();
    let before = stage.before()?;
    for time in 0..times {
        let service = time % stage.mesh.services;
        // A pod that no proxy is beside, where there is one.
        let unready = (time / stage.mesh.services).is_multiple_of(2).then(|| stage.mesh.per_service() - 1);
        write(stage.folder, &mesh::file(service), &stage.mesh.service(service, "a", unready))?;
        stage.hear(&mut got, "Endpoints", &mut tally).await.context("one endpoint")?;
    }
    figures.push(stage.after("one endpoint", &before, times, tally)?);

    let mut tally = Tally::default();
    let before = stage.before()?;
    for time in 0..times {
        let service = time * 10 % stage.mesh.services / 10 * 10;
        write(stage.folder, &format!("route-{service}.yaml"), &mesh::route(service, 10 + time))?;
        stage.hear(&mut got, "Routes", &mut tally).await.context("one VirtualService")?;
    }
    figures.push(stage.after("one VirtualService", &before, times, tally)?);

    // Ten services at a time, as deployments roll.
    let mut tally = Tally::default();
    let before = stage.before()?;
    let services = restarts.div_ceil(stage.mesh.per_service()).min(stage.mesh.services);
    let begun = Instant::now();
    for service in 0..services {
        write(stage.folder, &mesh::file(service), &stage.mesh.service(service, "b", None))?;
        if service % 10 == 9 {
            tokio::time::sleep(Duration::from_millis(150)).await;
        }
    }
    stage.hear(&mut got, "Endpoints", &mut tally).await.context("rolling restart")?;
    let mut figure = stage.after(
        &format!("{} endpoints restarted", services * stage.mesh.per_service()),
        &before,
        1,
        tally,
    )?;
    // Of many changes, what counts is when the last one is everywhere.
    figure.last_ms = begun.elapsed().saturating_sub(SILENCE).as_secs_f64() * 1e3;
    (figure.p50_ms, figure.p99_ms) = (f64::NAN, f64::NAN);
    figures.push(figure);
    Ok(figures)
}

async fn first_sync(
    stage: &Stage<'_>,
    ends: &Ends,
    got: &mut mpsc::UnboundedReceiver<Got>,
) -> Result<Figure> {
    let before = stage.before()?;
    let begun = SystemTime::now();
    let (failed, mut failures) = mpsc::unbounded_channel();
    for proxy in 0..stage.mesh.proxies {
        let (ends, failed) = (ends.clone(), failed.clone());
        tokio::task::spawn_local(async move {
            if let Err(error) = proxies::live(proxy, ends).await {
                drop(failed.send(error));
            }
        });
    }
    let mut tally = Tally::default();
    let mut synced: BTreeMap<usize, f64> = BTreeMap::new();
    while synced.len() < stage.mesh.proxies {
        tokio::select! {
            Some(one) = got.recv() => {
                tally.bytes += one.bytes;
                tally.resources += one.resources;
                if one.synced {
                    let late = one.at.duration_since(begun).unwrap_or_default();
                    synced.entry(one.proxy).or_insert(late.as_secs_f64() * 1e3);
                }
            }
            Some(error) = failures.recv() => return Err(error),
            () = tokio::time::sleep(PATIENCE) => bail!("{} of {} proxies are in sync", synced.len(), stage.mesh.proxies),
        }
    }
    tally.late = synced.into_values().collect();
    // What stands in queues is no part of the next scene.
    while let Ok(Some(one)) = tokio::time::timeout(SILENCE, got.recv()).await {
        tally.bytes += one.bytes;
    }
    let mut figure = stage.after("first sync, each proxy", &before, stage.mesh.proxies, tally)?;
    figure.changes = 1;
    Ok(figure)
}

/// As editors do: the file is there whole, or not at all.
fn write(folder: &Path, name: &str, text: &str) -> Result<()> {
    let fresh = folder.join(format!(".{name}"));
    std::fs::write(&fresh, text)?;
    std::fs::rename(fresh, folder.join(name)).context("renaming")
}
