//! Tables → sockets → workers → drain → end.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::task::LocalSet;
use weft_agent::metrics::Scrape;
use weft_agent::probes::Probers;
use weft_filter::OpenFilters;
use weft_net::{Address, ListenOptions, Sharing, SocketKey};
use weft_telemetry::stats::Registry;

use crate::admin::{self, Page};
use crate::config::Loaded;
use crate::drain::{self, DrainSwitch};
use crate::dynamic::{self, Source};
use crate::listen::active::{ActiveListener, ListenerSet, socket_address};
use crate::listen::follow::{self, Ends};
use crate::process::Process;
use crate::upkeep;
use crate::worker::Worker;

/// What is to be served, and how.
#[derive(Debug)]
pub(crate) struct Plan {
    /// The configuration at start.
    pub(crate) loaded: Loaded,
    /// Filters that the program brings.
    pub(crate) open_filters: OpenFilters,
    /// Threads.
    pub(crate) workers: usize,
    /// How long open requests go on at the end of the process.
    pub(crate) end_time: Duration,
    /// How long connections of a changed or removed listener go on.
    pub(crate) drain_time: Duration,
    /// Where the rest of the configuration comes from; `None`: there is no more.
    pub(crate) source: Option<Source>,
    /// Other sockets with parts of the admin page.
    pub(crate) pages: Vec<(SocketAddr, admin::Kind)>,
    /// Where the application shows its own counters.
    pub(crate) application: Option<Scrape>,
    /// What the application's probes were; `None`: this program runs beside none.
    pub(crate) probers: Option<Probers>,
    /// How long new connections are taken after SIGTERM: others still send some until they hear of the end.
    pub(crate) linger: Duration,
}

/// Serves until the process is told to end.
///
/// # Errors
/// A static listener or the admin page cannot listen, or threads cannot be started.
pub(crate) fn run(plan: Plan) -> anyhow::Result<ExitCode> {
    let Plan { loaded, open_filters, workers, end_time, drain_time, source, pages, .. } = plan;
    let Plan { application, probers, linger, .. } = plan;
    let Loaded { tables, problems, findings, node: _ } = loaded;
    let registry = Arc::new(Registry::new());
    let main_runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let process = Process::new(tables, registry, open_filters, main_runtime.handle().clone());
    bind(&process, workers, drain_time)?;
    let (switch, drain) = drain::channel(end_time);
    let (stop_switch, stop) = drain::channel(end_time);
    let (listening_switch, stop_listening) = drain::channel(end_time);
    let ends = Ends { drain, stop_listening, stop };
    let mut threads = Vec::new();
    for index in 0..workers {
        let (process, ends) = (process.clone(), ends.clone());
        let thread = std::thread::Builder::new()
            .name(format!("worker-{index}"))
            .spawn(move || work(process, index, workers, ends))
            .context("cannot start a worker thread")?;
        threads.push(thread);
    }
    let log_end = process.clone();
    let local = LocalSet::new();
    main_runtime.block_on(local.run_until(async move {
        let dynamic =
            source.map(|source| dynamic::start(source, &process, workers, drain_time, seed(workers)));
        let page = Page {
            process: process.clone(),
            problems,
            findings,
            drain: switch,
            stop_listening: listening_switch,
            workers,
            quit: tokio::sync::Notify::new(),
            dynamic,
            application,
            probers,
        };
        supervise(process, page, &pages, stop_switch, [linger, end_time], &threads).await?;
        for thread in threads {
            let _ = thread.join();
        }
        anyhow::Ok(())
    }))?;
    log_end.log_files.close();
    Ok(ExitCode::SUCCESS)
}

/// Seeds differ between workers and starts; they choose endpoints, not secrets.
pub(crate) fn seed(index: usize) -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_nanos());
    let nanos = u64::try_from(now & u128::from(u64::MAX)).unwrap_or(0);
    nanos ^ (u64::from(std::process::id()) << 32) ^ ((index as u64) << 56)
}

/// Opens the listeners of the configuration at start.
fn bind(process: &Process, workers: usize, drain_time: Duration) -> anyhow::Result<()> {
    let tables = process.tables.load();
    let mut opened = Vec::new();
    for listener in tables.listeners.values() {
        let active = ActiveListener::open(listener.clone(), None, &process.sockets, workers, drain_time)
            .with_context(|| format!("listener {:?} cannot listen", listener.name))?;
        opened.push((listener.name.clone(), Some(active)));
    }
    process.listeners.send_replace(Arc::new(ListenerSet::default().with(opened)));
    Ok(())
}

/// One worker thread from start to end.
fn work(process: Arc<Process>, index: usize, workers: usize, ends: Ends) {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "a worker has no runtime");
            return;
        }
    };
    let local = LocalSet::new();
    let listeners = process.listeners.subscribe();
    let worker = Worker::new(process, index, seed(index));
    local.block_on(&runtime, async move {
        let flushing = tokio::task::spawn_local(crate::log::flush_now_and_then(worker.clone()));
        let tending = tokio::task::spawn_local(upkeep::tend_worker(worker.clone()));
        let time = ends.stop.time();
        follow::run(worker.clone(), workers, ends, listeners).await;
        worker.idle(time).await;
        flushing.abort();
        tending.abort();
        worker.flush_logs();
    });
}

/// Waits for a signal, then drains: connections are told, listeners stop, workers end.
async fn supervise(
    process: Arc<Process>,
    page: Page,
    pages: &[(SocketAddr, admin::Kind)],
    stop: DrainSwitch,
    [linger, time]: [Duration; 2],
    threads: &[std::thread::JoinHandle<()>],
) -> anyhow::Result<()> {
    let page = Rc::new(page);
    let address = process.tables.load().bootstrap.admin.clone();
    if let Some(address) = address {
        open_page(&process, &page, socket_address(&address)?, admin::Kind::Admin)?;
    }
    for (address, kind) in pages {
        open_page(&process, &page, Address::Ip(*address), *kind)?;
    }
    tokio::task::spawn_local(upkeep::run(process.clone()));
    process.wait_for_workers(threads.len()).await;
    let (ready, configured) = (process.clone(), page.clone());
    let readiness = tokio::task::spawn_local(async move {
        if let Some(dynamic) = &configured.dynamic {
            dynamic.configured().await;
        }
        ready.set_ready();
    });
    tracing::info!(workers = threads.len(), "serving");
    let mut rotate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::user_defined1())?;
    let logs = process.clone();
    tokio::task::spawn_local(async move {
        // SIGUSR1 opens the log files anew, as Envoy does.
        while rotate.recv().await.is_some() {
            logs.log_files.reopen();
        }
    });
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    let mut interrupt = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt())?;
    let patient = tokio::select! {
        _ = terminate.recv() => true,
        _ = interrupt.recv() => false,
        () = page.quit() => false,
    };
    tracing::info!(seconds = time.as_secs(), "draining");
    readiness.abort();
    process.set_failing(true);
    page.drain.start();
    if patient && !linger.is_zero() {
        // Asked twice, or by somebody at the keyboard, it is to end now.
        tokio::select! {
            () = tokio::time::sleep(linger) => {}
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            () = page.quit() => {}
        }
    }
    stop.start();
    let ended = async {
        while threads.iter().any(|t| !t.is_finished()) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    // Workers wait that long for their connections; a little more covers their own end.
    let _ = tokio::time::timeout(time + Duration::from_secs(1), ended).await;
    Ok(())
}

fn open_page(process: &Process, page: &Rc<Page>, address: Address, kind: admin::Kind) -> anyhow::Result<()> {
    let key = SocketKey::new(address);
    let options = ListenOptions { sharing: Sharing::Exclusive, ..ListenOptions::default() };
    let socket = process.sockets.open(&key, &options).with_context(|| format!("the {kind} cannot listen"))?;
    tokio::task::spawn_local(admin::run(page.clone(), socket, kind));
    Ok(())
}
