//! Runs the table: every world at every worker count, in both subjects, and judges each row.

use crate::certs::Certs;
use crate::judge::{agree, decided, hold};
use crate::normalize::normalize;
use crate::report::{Report, Verdict};
use crate::subject::{Job, Subject, Trial};
use crate::table::{Row, World};
use anyhow::{Result, bail};
use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

/// What to run, and with whom.
#[derive(Debug)]
pub struct Plan {
    /// The reference; its rows' expectations are checked too.
    pub reference: Arc<dyn Subject>,
    /// Who is compared with it. None: only expectations are checked.
    pub subject: Option<Arc<dyn Subject>>,
    /// Worlds with the rows to run.
    pub worlds: Vec<World>,
    /// Worker counts.
    pub workers: Vec<u32>,
    /// Worlds at the same time.
    pub jobs: usize,
    /// IDs in `docs/differences.md`.
    pub differences: BTreeSet<String>,
    /// Keep the normalized outcomes in the reports.
    pub show: bool,
    /// Whether the subject is `weft-proxy`, for which a row may name a difference.
    pub differences_apply: bool,
}

/// Runs the plan; `progress` sees each world as it is done.
///
/// # Errors
/// When a row names an unknown difference, or certificates cannot be made.
pub fn run(plan: &Plan, progress: &(dyn Fn(&[Report]) + Sync)) -> Result<Vec<Report>> {
    for world in &plan.worlds {
        for row in &world.rows {
            if let Some(id) = &row.difference
                && !plan.differences.contains(id)
            {
                bail!("{}: {}: no difference {id} in docs/differences.md", world.name, row.name);
            }
        }
    }
    let certs = Arc::new(Certs::make()?);
    let mut queue = VecDeque::new();
    for workers in &plan.workers {
        for world in &plan.worlds {
            if world.workers.is_empty() || world.workers.contains(workers) {
                let world = Arc::new(world.clone());
                queue.push_back(Job { world, workers: *workers, certs: certs.clone() });
            }
        }
    }
    let queue = Mutex::new(queue);
    let reports = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..plan.jobs.max(1) {
            scope.spawn(|| {
                while let Some(job) = next(&queue) {
                    let done = run_job(plan, &job);
                    progress(&done);
                    reports.lock().unwrap_or_else(PoisonError::into_inner).extend(done);
                }
            });
        }
    });
    let mut reports = reports.into_inner().unwrap_or_else(PoisonError::into_inner);
    reports.sort_by(|a, b| (&a.world, a.workers, a.index).cmp(&(&b.world, b.workers, b.index)));
    Ok(reports)
}

fn next(queue: &Mutex<VecDeque<Job>>) -> Option<Job> {
    queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
}

/// One world in both subjects, on a runtime of its own: its backends and clients live on this thread.
fn run_job(plan: &Plan, job: &Job) -> Vec<Report> {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return judge_all(plan, job, &Trial::failed(job, &error.to_string()), None),
    };
    let reference = runtime.block_on(plan.reference.run(job));
    let subject = plan.subject.as_ref().map(|subject| runtime.block_on(subject.run(job)));
    // Hanging backends of the last row need not be waited for.
    runtime.shutdown_background();
    judge_all(plan, job, &reference, subject.as_ref())
}

fn judge_all(plan: &Plan, job: &Job, reference: &Trial, subject: Option<&Trial>) -> Vec<Report> {
    let mut reports: Vec<Report> = Vec::new();
    let mut told = Vec::new();
    for (index, row) in job.world.rows.iter().enumerate() {
        if row.runs_at(job.workers) {
            let mut verdict = judge(plan, row, index, reference, subject);
            // A world that does not start fails every row for one reason, which is told once.
            if let Verdict::Fault(why) = &mut verdict {
                match told == *why {
                    true => *why = vec!["as the row before".into()],
                    false => told.clone_from(why),
                }
            }
            reports.push(Report {
                world: job.world.name.clone(),
                row: row.name.clone(),
                index,
                workers: job.workers,
                shown: plan.show.then(|| show(plan, index, reference, subject)).flatten(),
                verdict,
            });
        }
    }
    reports
}

fn judge(plan: &Plan, row: &Row, index: usize, reference: &Trial, subject: Option<&Trial>) -> Verdict {
    // Where nothing could be played there is one thing to tell, and nothing to compare.
    let failures: Vec<String> = [Some(reference), subject]
        .into_iter()
        .flatten()
        .filter_map(|trial| outcome(trial, index)?.failure.clone())
        .collect();
    if !failures.is_empty() {
        return Verdict::Fault(failures);
    }
    if let Some(decided) = subject.and_then(|trial| trial.decided.as_ref()) {
        let facts = subject.map(|trial| &trial.facts);
        return match (outcome(reference, index), decided.get(index).and_then(Option::as_ref), facts) {
            (Some(ran), Some(decided), Some(facts)) => {
                decided::judge(row, (ran, &reference.facts), (decided, facts))
            }
            _ => Verdict::Skipped("no outcome"),
        };
    }
    let allowed = row.difference.as_ref().filter(|_| plan.differences_apply);
    let mut faults = check(row, &row.expect, index, reference, plan.reference.name());
    let Some((trial, name)) = subject.zip(plan.subject.as_ref().map(|subject| subject.name())) else {
        return if faults.is_empty() { Verdict::Agree } else { Verdict::Fault(faults) };
    };
    let own = allowed.and(row.weft.as_ref()).unwrap_or(&row.expect);
    faults.extend(check(row, own, index, trial, name));
    let pair = (outcome(reference, index), outcome(trial, index));
    let (Some(a), Some(b)) = pair else { return Verdict::Skipped("no outcome") };
    let differences = agree(&normalize(a, &reference.facts), &normalize(b, &trial.facts));
    match (faults.is_empty(), differences.is_empty(), allowed) {
        (true, true, None) => Verdict::Agree,
        (true, false, Some(id)) => Verdict::Allowed(id.clone()),
        (true, true, Some(id)) => Verdict::Fault(vec![format!("does not differ, but names difference {id}")]),
        (false, _, Some(_)) | (false, true, None) => Verdict::Fault(faults),
        (_, false, None) => Verdict::Differ(differences.into_iter().chain(faults).collect()),
    }
}

fn show(plan: &Plan, index: usize, reference: &Trial, subject: Option<&Trial>) -> Option<String> {
    let mut text = String::new();
    let trials =
        [(plan.reference.name(), Some(reference)), (plan.subject.as_ref().map_or("", |s| s.name()), subject)];
    for (name, trial) in trials {
        let Some(trial) = trial else { continue };
        let outcome = normalize(outcome(trial, index)?, &trial.facts);
        text.push_str(&format!("--- {name}\n{}\n", serde_json::to_string_pretty(&outcome).ok()?));
    }
    Some(text)
}

fn outcome(trial: &Trial, index: usize) -> Option<&crate::outcome::Outcome> {
    trial.outcomes.get(index).and_then(Option::as_ref)
}

fn check(row: &Row, expect: &crate::table::Expect, index: usize, trial: &Trial, name: &str) -> Vec<String> {
    let Some(outcome) = outcome(trial, index) else { return Vec::new() };
    let took: Vec<u64> = outcome.answers.iter().map(|answer| answer.took_ms).collect();
    let missed = hold(expect, &row.steps(), &normalize(outcome, &trial.facts), &took);
    missed.into_iter().map(|miss| format!("{name}: {miss}")).collect()
}
