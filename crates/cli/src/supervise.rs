//! Children that are started again when they die, and are all ended in order.

use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::process::Child;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::child::{self, Spec};
use crate::launch::Launcher;

/// First pause before a dead child is started again; doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// Who lived this long has its pauses and tries counted from the beginning.
const LONG_LIFE: Duration = Duration::from_secs(10);
/// How long a child may take to end at SIGTERM.
const PATIENCE: Duration = Duration::from_secs(3);
/// Deaths in a row before it is ready after which one stops hoping.
const STILLBORN: u32 = 3;

/// In which order children end: the highest stage first, those of one stage together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// The control plane, last of all.
    Control,
    /// Sidecars.
    Sidecar,
    /// Applications and gateways: where requests come from.
    Application,
}

/// What happened to a child.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// It died and will be started again.
    Died(String),
    /// It died too often; nobody tries again.
    GaveUp(String),
}

/// A child under supervision.
#[derive(Debug, Clone)]
pub struct Supervised {
    spec: Arc<Spec>,
    deaths: Arc<AtomicU32>,
}

impl Supervised {
    /// Polls until `ready` says yes.
    ///
    /// # Errors
    /// If the child keeps dying or the time is over; with the last lines of its log.
    pub async fn wait_until<F: AsyncFnMut() -> bool>(&self, limit: Duration, mut ready: F) -> Result<()> {
        let start = Instant::now();
        loop {
            if ready().await {
                return Ok(());
            }
            let Spec { name, .. } = &*self.spec;
            if self.deaths.load(Ordering::Relaxed) >= STILLBORN {
                bail!("{name} does not start; the last lines of its log:\n{}", self.spec.last_words());
            }
            if start.elapsed() > limit {
                let seconds = limit.as_secs();
                bail!(
                    "{name} is not ready after {seconds} s; the last lines of its log:\n{}",
                    self.spec.last_words()
                );
            }
            sleep(Duration::from_millis(50)).await;
        }
    }
}

/// All children of this process.
#[derive(Debug)]
pub struct Supervisor {
    launcher: Launcher,
    events: mpsc::Sender<Event>,
    children: Vec<Kept>,
}

/// A child and how to end it.
#[derive(Debug)]
struct Kept {
    stage: Stage,
    spec: Arc<Spec>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Supervisor {
    /// Nobody yet; what happens to children goes to `events`.
    #[must_use]
    pub fn new(launcher: Launcher, events: mpsc::Sender<Event>) -> Self {
        Self { launcher, events, children: Vec::new() }
    }

    /// Starts a child; `tries` says how often it may die in a row before it is given up, 0 is no limit.
    ///
    /// # Errors
    /// If not even the process can be made.
    pub fn start(&mut self, stage: Stage, spec: Spec, tries: u32) -> Result<Supervised> {
        let first = spec.spawn(&self.launcher).with_context(|| format!("cannot start {}", spec.name))?;
        let spec = Arc::new(spec);
        let deaths = Arc::new(AtomicU32::new(0));
        let (stop, stopped) = watch::channel(false);
        let keeper = Keeper {
            launcher: self.launcher.clone(),
            spec: Arc::clone(&spec),
            deaths: Arc::clone(&deaths),
            events: self.events.clone(),
            tries,
        };
        let task = tokio::spawn(keeper.keep(first, stopped));
        self.children.push(Kept { stage, spec: Arc::clone(&spec), stop, task });
        Ok(Supervised { spec, deaths })
    }

    /// Keeps every child's log within its bound.
    pub fn trim_logs(&self) {
        for kept in &self.children {
            kept.spec.trim_log();
        }
    }

    /// Ends all children, stage by stage; returns when the last one is gone.
    pub async fn stop(&mut self) {
        for stage in [Stage::Application, Stage::Sidecar, Stage::Control] {
            let mut tasks = Vec::new();
            for kept in self.children.iter_mut().filter(|kept| kept.stage == stage) {
                let _ = kept.stop.send(true);
                tasks.push(&mut kept.task);
            }
            for task in tasks {
                // A task that is cut off drops its child, which kills it.
                let _ = task.await;
            }
        }
        self.children.clear();
    }
}

/// The task that looks after one child.
struct Keeper {
    launcher: Launcher,
    spec: Arc<Spec>,
    deaths: Arc<AtomicU32>,
    events: mpsc::Sender<Event>,
    tries: u32,
}

impl Keeper {
    async fn keep(self, first: Child, mut stopped: watch::Receiver<bool>) {
        let mut alive = Some(first);
        let mut pause = FIRST_PAUSE;
        loop {
            let born = Instant::now();
            let why = match &mut alive {
                Some(child) => tokio::select! {
                    status = child.wait() => status.map_or_else(|e| e.to_string(), describe),
                    () = told(&mut stopped) => {
                        child::end(child, PATIENCE).await;
                        return;
                    }
                },
                None => "cannot be started again".to_owned(),
            };
            if born.elapsed() > LONG_LIFE {
                pause = FIRST_PAUSE;
                self.deaths.store(0, Ordering::Relaxed);
            }
            let deaths = self.deaths.fetch_add(1, Ordering::Relaxed) + 1;
            let name = &self.spec.name;
            let words = self.spec.last_words();
            if self.tries > 0 && deaths >= self.tries {
                let text = format!("{name} {why}, {deaths} times in a row; its last lines:\n{words}");
                let _ = self.events.send(Event::GaveUp(text)).await;
                return;
            }
            let seconds = pause.as_secs_f32();
            let text =
                format!("{name} {why}; it is started again in {seconds:.1} s. Its last lines:\n{words}");
            // Nobody may be listening any more.
            let _ = self.events.try_send(Event::Died(text));
            tokio::select! {
                () = sleep(pause) => {}
                () = told(&mut stopped) => return,
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
            alive = self.spec.spawn(&self.launcher).ok();
        }
    }
}

/// Until somebody says stop, or nobody can any more.
async fn told(stopped: &mut watch::Receiver<bool>) {
    let _ = stopped.wait_for(|stop| *stop).await;
}

fn describe(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt as _;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("ended with exit code {code}"),
        (None, Some(signal)) => format!("was ended by signal {signal}"),
        (None, None) => "ended".to_owned(),
    }
}
