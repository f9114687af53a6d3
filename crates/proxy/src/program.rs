//! Arguments → configuration → sockets → workers → drain → end.

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser;
use tokio::task::LocalSet;
use weft_filter::OpenFilters;
use weft_net::{Address, BoundListener, Keepalive, ListenOptions, Sharing, SocketKey};
use weft_tables::address::SocketAddress;
use weft_tables::listener::Listener;
use weft_telemetry::stats::Registry;

use crate::args::Args;
use crate::config::{self, Loaded};
use crate::drain::{self, Drain, DrainSwitch};
use crate::listen::listener::{self, ListenerRuntime};
use crate::process::Process;
use crate::stats::ListenerCounters;
use crate::worker::Worker;
use crate::{admin, test_filters, upkeep};

/// Runs the program; its exit code is 0 after an orderly end, 1 when it could not start.
#[must_use]
pub fn main() -> ExitCode {
    let args = Args::parse();
    let filter = tracing_subscriber::EnvFilter::try_new(&args.log_level).unwrap_or_else(|_| "warn".into());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    match run(&args) {
        Ok(code) => code,
        Err(error) => {
            say(&format!("weft-proxy: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn say(line: &str) {
    // A closed standard error leaves nobody to tell.
    let _ = writeln!(std::io::stderr(), "{line}");
}

fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let loaded = config::load(&args.config)?;
    for line in config::remarks(&loaded, &args.config) {
        say(&line);
    }
    let open_filters = if args.test_filters { test_filters::all() } else { OpenFilters::default() };
    if let Some(kind) = config::missing_filters(&loaded.tables, &open_filters).first() {
        anyhow::bail!(
            "{}: no HTTP filter of kind {kind:?} is built into this program",
            args.config.display()
        );
    }
    if args.mode == "validate" {
        let verdict = if loaded.is_clean() { "OK" } else { "refused" };
        say(&format!("configuration '{}' {verdict}", args.config.display()));
        return Ok(if loaded.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    if !loaded.is_clean() && !args.skip_refused {
        anyhow::bail!(
            "{} is not served: mend what is refused above, or start with --skip-refused to run the rest",
            args.config.display()
        );
    }
    weft_net::rlimit::raise_open_files().ok();
    serve(args, loaded, open_filters)
}

/// The listeners of the configuration with their sockets.
type Bound = Vec<(Arc<Listener>, Vec<Arc<BoundListener>>)>;

fn serve(args: &Args, loaded: Loaded, open_filters: OpenFilters) -> anyhow::Result<ExitCode> {
    let registry = Arc::new(Registry::new());
    let Loaded { tables, problems, findings } = loaded;
    let main_runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let process = Process::new(tables, registry, open_filters, main_runtime.handle().clone());
    let workers = args.workers();
    let bound = bind(&process, workers)?;
    let bound = Arc::new(bound);
    let (switch, drain) = drain::channel(args.drain_time());
    let (stop_switch, stop) = drain::channel(args.drain_time());
    let (listening_switch, listening) = drain::channel(args.drain_time());
    let mut threads = Vec::new();
    for index in 0..workers {
        let (process, bound) = (process.clone(), bound.clone());
        let ends = Ends { drain: drain.clone(), stop_listening: listening.clone(), stop: stop.clone() };
        let seed = seed(index);
        let thread = std::thread::Builder::new()
            .name(format!("worker-{index}"))
            .spawn(move || work(process, &bound, index, workers, seed, ends))
            .context("cannot start a worker thread")?;
        threads.push(thread);
    }
    let page = admin::Page {
        process: process.clone(),
        problems,
        findings,
        drain: switch,
        stop_listening: listening_switch,
        workers,
        quit: tokio::sync::Notify::new(),
    };
    let log_end = process.clone();
    let local = LocalSet::new();
    main_runtime.block_on(local.run_until(supervise(
        process,
        page,
        stop_switch,
        args.drain_time(),
        &threads,
    )))?;
    for thread in threads {
        let _ = thread.join();
    }
    log_end.log_files.close();
    Ok(ExitCode::SUCCESS)
}

/// Seeds differ between workers and starts; they choose endpoints, not secrets.
fn seed(index: usize) -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_nanos());
    let nanos = u64::try_from(now & u128::from(u64::MAX)).unwrap_or(0);
    nanos ^ (u64::from(std::process::id()) << 32) ^ ((index as u64) << 56)
}

fn bind(process: &Process, workers: usize) -> anyhow::Result<Bound> {
    let tables = process.tables.load();
    let mut bound: Bound = Vec::new();
    for listener in tables.listeners.values().filter(|l| l.bind_to_port) {
        let mut sockets = Vec::new();
        for address in &listener.addresses {
            let key =
                SocketKey { transparent: listener.transparent, ..SocketKey::new(socket_address(address)?) };
            let loopback = address.ip().is_some_and(|a| a.ip().is_loopback());
            // On loopback a second process on the address must fail loudly, not share the traffic.
            let sharing = if listener.reuse_port && !loopback {
                Sharing::ReusePort(workers)
            } else {
                Sharing::Exclusive
            };
            let keepalive = listener.keepalive.map(|k| Keepalive {
                probes: k.probes,
                time: k.time,
                interval: k.interval,
            });
            let options =
                ListenOptions { sharing, backlog: listener.backlog, keepalive, ..ListenOptions::default() };
            let socket = process
                .sockets
                .open(&key, &options)
                .with_context(|| format!("listener {:?} cannot listen", listener.name))?;
            sockets.push(socket);
        }
        bound.push((listener.clone(), sockets));
    }
    Ok(bound)
}

fn socket_address(address: &SocketAddress) -> anyhow::Result<Address> {
    Ok(match address {
        SocketAddress::Ip(ip) => Address::Ip(*ip),
        SocketAddress::Unix(path) => Address::Unix(path.clone()),
        other => anyhow::bail!("{other} is no address to listen on"),
    })
}

/// The three ways to end: tell clients, take no new connections, stop.
struct Ends {
    drain: Drain,
    stop_listening: Drain,
    stop: Drain,
}

/// One worker thread from start to end.
fn work(process: Arc<Process>, bound: &Bound, index: usize, workers: usize, seed: u64, ends: Ends) {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "a worker has no runtime");
            return;
        }
    };
    let local = LocalSet::new();
    let worker = Worker::new(process, index, seed);
    local.block_on(&runtime, async move {
        let mut loops = Vec::new();
        for (config, sockets) in bound {
            let stats = ListenerCounters::new(config, worker.counting.clone());
            let runtime = std::rc::Rc::new(ListenerRuntime {
                worker: worker.clone(),
                config: config.clone(),
                stats: std::rc::Rc::new(stats),
                drain: ends.drain.clone(),
            });
            for socket in sockets {
                let accepting = listener::run(
                    runtime.clone(),
                    socket.clone(),
                    workers,
                    [ends.stop_listening.clone(), ends.stop.clone()],
                );
                loops.push(tokio::task::spawn_local(accepting));
            }
        }
        worker.process.worker_started();
        let flushing = tokio::task::spawn_local(crate::log::flush_now_and_then(worker.clone()));
        let tending = tokio::task::spawn_local(upkeep::tend_worker(worker.clone()));
        ends.stop.started().await;
        for accepting in loops {
            let _ = accepting.await;
        }
        worker.idle(ends.stop.time()).await;
        flushing.abort();
        tending.abort();
        worker.flush_logs();
    });
}

/// Waits for a signal, then drains: connections are told, listeners stop, workers end.
async fn supervise(
    process: Arc<Process>,
    page: admin::Page,
    stop: DrainSwitch,
    time: Duration,
    threads: &[std::thread::JoinHandle<()>],
) -> anyhow::Result<()> {
    let page = std::rc::Rc::new(page);
    let address = process.tables.load().bootstrap.admin.clone();
    if let Some(address) = address {
        let key = SocketKey::new(socket_address(&address)?);
        let options = ListenOptions { sharing: Sharing::Exclusive, ..ListenOptions::default() };
        let socket = process.sockets.open(&key, &options).context("the admin page cannot listen")?;
        tokio::task::spawn_local(admin::run(page.clone(), socket));
    }
    tokio::task::spawn_local(upkeep::run(process.clone()));
    process.wait_for_workers(threads.len()).await;
    process.set_ready();
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
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        () = page.quit() => {}
    }
    tracing::info!(seconds = time.as_secs(), "draining");
    process.set_failing(true);
    page.drain.start();
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
