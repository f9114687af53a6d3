//! Leadership by Leases: of several replicas one does what has one writer. Source: CP-23.
//!
//! ```text
//!  Lease ── get, every 5 s ──► decide: acquire | renew | wait ── create, update ──► term: watch<bool>
//!                               (own clock alone)                                     └─► lead: runs the job
//! ```
//!
//! The crates there are for it either want another version of `kube`, or compare the clocks of two machines and know
//! no revision that goes first; what is needed is this little.

mod decide;

use std::future::Future;
use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;
use kube::api::{Api, ObjectMeta, PostParams};
use kube::{Client, Error};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use decide::{Candidate, Observed, Record, Step, decide};

/// How long a Lease that is not renewed stays its holder's. Source: Istio.
pub const DURATION: Duration = Duration::from_secs(30);
/// How long a leader that cannot renew goes on: well before another may begin.
pub const DEADLINE: Duration = Duration::from_secs(15);
/// Time between looks.
pub const RETRY: Duration = Duration::from_secs(5);
/// Longest time for one question to the API server.
const PATIENCE: Duration = Duration::from_secs(5);
/// Annotation with the revision of the holder. Source: Istio.
const HOLDER_KEY: &str = "leader.istio.io/holder-key";

/// A Lease and who we are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Election {
    /// Namespace of the Lease.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Who we are among the replicas: by custom the pod's name.
    pub holder: String,
    /// Our revision.
    pub revision: String,
    /// Whether our revision takes the Lease from others, as the default revision does.
    pub first: bool,
}

/// Whether we lead, as it changes.
pub type Term = watch::Receiver<bool>;

/// Stands for election until `stop` says so (or its sender is gone); then gives the Lease back, so that another
/// need not wait for its end. `term` is true while we lead.
pub async fn stand(client: Client, election: Election, term: watch::Sender<bool>, mut stop: Term) {
    let api: Api<Lease> = Api::namespaced(client, &election.namespace);
    let begun = Instant::now();
    let own = Candidate { holder: &election.holder, revision: &election.revision, first: election.first };
    let mut observed = Observed::default();
    let mut renewed: Option<Instant> = None;
    let mut trouble = false;
    'standing: loop {
        let asked = Instant::now();
        let attempt = attempt(&api, &election.name, &own, &mut observed, begun);
        match timeout(PATIENCE, attempt).await {
            Ok(Ok(true)) => renewed = Some(asked),
            Ok(Ok(false)) => renewed = None,
            failed => {
                let reason = match failed {
                    Ok(Err(error)) => error.to_string(),
                    _ => format!("no answer within {PATIENCE:?}"),
                };
                if !std::mem::replace(&mut trouble, true) {
                    tracing::warn!(lease = election.name, reason, "the Lease cannot be had or renewed");
                }
            }
        }
        trouble &= renewed != Some(asked);
        let leads = |at: Instant| renewed.is_some_and(|renewed| at.duration_since(renewed) < DEADLINE);
        tell(&term, leads(Instant::now()), &election);
        let next = asked + RETRY;
        // A leader steps down at its deadline, not at the look after it.
        let deadline = renewed.map_or(next, |renewed| next.min(renewed + DEADLINE));
        for wake in [deadline, next] {
            let told = async { drop(stop.wait_for(|stop| *stop).await) };
            if timeout_at(wake, told).await.is_ok() {
                break 'standing;
            }
            tell(&term, leads(Instant::now()), &election);
        }
    }
    let led = *term.borrow();
    tell(&term, false, &election);
    if led && let Ok(Err(error)) = timeout(PATIENCE, release(&api, &election.name, &own)).await {
        tracing::info!(lease = election.name, %error, "the Lease is not given back; it will end by itself");
    }
}

fn tell(term: &watch::Sender<bool>, leads: bool, election: &Election) {
    let changed = term.send_if_modified(|was| std::mem::replace(was, leads) != leads);
    if changed {
        tracing::info!(lease = election.name, holder = election.holder, leads, "leadership");
    }
}

/// One look at the Lease and what follows of it; whether it is ours now.
async fn attempt(
    api: &Api<Lease>,
    name: &str,
    own: &Candidate<'_>,
    observed: &mut Observed,
    begun: Instant,
) -> Result<bool, Error> {
    let lease = api.get_opt(name).await?;
    let record = lease.as_ref().map(record);
    let now = begun.elapsed();
    observed.see(record.as_ref(), now);
    let written = match decide(own, observed, now) {
        Step::Wait => return Ok(false),
        Step::Create => {
            let metadata = ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() };
            let mut lease = Lease { metadata, spec: None };
            fill(&mut lease, own, 0, true);
            api.create(&PostParams::default(), &lease).await
        }
        Step::Take { transitions, anew } => {
            let mut lease = lease.unwrap_or_default();
            fill(&mut lease, own, transitions, anew);
            // With the version that was seen: of two who take it, one does.
            api.replace(name, &PostParams::default(), &lease).await
        }
    };
    match written {
        Ok(lease) => {
            observed.see(Some(&self::record(&lease)), begun.elapsed());
            Ok(true)
        }
        // Somebody was faster.
        Err(Error::Api(status)) if status.code == 409 => Ok(false),
        Err(error) => Err(error),
    }
}

async fn release(api: &Api<Lease>, name: &str, own: &Candidate<'_>) -> Result<(), Error> {
    let Some(mut lease) = api.get_opt(name).await? else { return Ok(()) };
    let record = record(&lease);
    if record.holder != own.holder {
        return Ok(());
    }
    let spec = lease.spec.get_or_insert_default();
    // As client-go leaves it: nobody's, and at an end at once.
    spec.holder_identity = Some(String::new());
    spec.lease_duration_seconds = Some(1);
    lease.metadata.annotations.get_or_insert_default().remove(HOLDER_KEY);
    api.replace(name, &PostParams::default(), &lease).await.map(drop)
}

fn record(lease: &Lease) -> Record {
    let spec = lease.spec.clone().unwrap_or_default();
    let annotations = lease.metadata.annotations.as_ref();
    let seconds = spec.lease_duration_seconds.and_then(|seconds| u64::try_from(seconds).ok());
    Record {
        holder: spec.holder_identity.unwrap_or_default(),
        revision: annotations.and_then(|all| all.get(HOLDER_KEY).cloned()).unwrap_or_default(),
        renewed: spec.renew_time.map(|time| time.0.to_string()).unwrap_or_default(),
        duration: seconds.map_or(DURATION, Duration::from_secs),
        transitions: spec.lease_transitions.unwrap_or_default(),
    }
}

fn fill(lease: &mut Lease, own: &Candidate<'_>, transitions: i32, anew: bool) {
    let now = MicroTime(Timestamp::now());
    let before = lease.spec.take().unwrap_or_default();
    lease.spec = Some(LeaseSpec {
        holder_identity: Some(own.holder.to_owned()),
        lease_duration_seconds: i32::try_from(DURATION.as_secs()).ok(),
        acquire_time: before.acquire_time.filter(|_| !anew).or_else(|| Some(now.clone())),
        renew_time: Some(now),
        lease_transitions: Some(transitions),
        ..before
    });
    let annotations = lease.metadata.annotations.get_or_insert_default();
    annotations.insert(HOLDER_KEY.to_owned(), own.revision.to_owned());
}

/// Runs a job while we lead: begun anew with each term, dropped at its end. Runs until nobody tells of terms.
pub async fn lead<F: Future<Output = ()>>(mut term: Term, mut job: impl FnMut() -> F) {
    loop {
        if term.wait_for(|leads| *leads).await.is_err() {
            return;
        }
        tokio::select! {
            () = job() => {}
            gone = async { term.wait_for(|leads| !leads).await.is_err() } => {
                if gone {
                    return;
                }
                continue;
            }
        }
        // Jobs do not end by themselves; one that does is not begun again in haste.
        sleep(RETRY).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[tokio::test(start_paused = true)]
    async fn a_job_runs_while_we_lead() {
        let (send, term) = watch::channel(false);
        let (begun, running) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
        struct Running(Arc<AtomicU32>);
        impl Drop for Running {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Ordering::Relaxed);
            }
        }
        let counts = (begun.clone(), running.clone());
        let leading = tokio::spawn(lead(term, move || {
            counts.0.fetch_add(1, Ordering::Relaxed);
            counts.1.fetch_add(1, Ordering::Relaxed);
            let running = Running(counts.1.clone());
            async move {
                let _running = running;
                std::future::pending::<()>().await;
            }
        }));
        let now = || (begun.load(Ordering::Relaxed), running.load(Ordering::Relaxed));
        for (leads, expected) in [(false, (0, 0)), (true, (1, 1)), (false, (1, 0)), (true, (2, 1))] {
            send.send_replace(leads);
            sleep(Duration::from_millis(1)).await;
            assert_eq!(now(), expected);
        }
        drop(send);
        leading.await.unwrap();
        assert_eq!(now(), (2, 0));
    }
}
