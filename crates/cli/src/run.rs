//! `weft run`: a program of the user's with a sidecar, in a mesh that another `weft` runs.

mod application;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::sync::mpsc;

use crate::address::Ports;
use crate::args::RunArgs;
use crate::folder::{self, MeshRecord, RunFolder};
use crate::launch::Launcher;
use crate::mesh::READY;
use crate::proxies;
use crate::services::Contents;
use crate::siblings::Siblings;
use crate::signals::Signals;
use crate::supervise::{Event, Stage, Supervisor};
use crate::view::note;
use crate::workload::{self, Workload};
use application::Application;

/// How often the program's sockets and the mesh are looked at.
const WATCH: Duration = Duration::from_secs(2);
/// After this time without a listening socket the user is told what is awaited.
const TELL: Duration = Duration::from_secs(10);

/// Joins the mesh, runs the program, leaves the mesh; the program's own exit code.
///
/// # Errors
/// If there is no mesh, the sidecar does not become ready, or the program is refused.
pub(crate) async fn run(args: &RunArgs) -> Result<ExitCode> {
    let mut signals = Signals::new()?;
    let folder = find_mesh(args.mesh.as_deref())?;
    let record = MeshRecord::read(&folder)?;
    let siblings = Siblings::find()?;
    let port = match args.app_port {
        Some(port) => port,
        None => Ports::default().any()?,
    };
    let labels = labels(args);
    let contents = Contents::read(&[&record.dir, &folder.objects()]);
    let new_service = service_for(args, &labels, &contents)?;
    let (workload, registered) =
        folder.add_workload(record.block, |address| workload(args, labels, address, port))?;
    if new_service {
        let object = workload::service(&args.service, &args.namespace, args.protocol.port_name(), args.port);
        folder.add_service(&args.service, &object)?;
    }
    let (sender, mut events) = mpsc::channel(16);
    let mut supervisor = Supervisor::new(Launcher::own(), sender);
    let spec = proxies::proxy(&siblings.proxy, &folder, &record, &workload, &registered);
    let outcome = async {
        let sidecar = supervisor.start(Stage::Sidecar, spec, 0)?;
        tokio::select! {
            ready = sidecar.wait_until(READY, async || proxies::is_ready(&workload).await) => ready?,
            signal = signals.next() => return Ok(ExitCode::from(128 + signal.number())),
        }
        let environment = contents.environment(workload.address, &workload.namespace);
        let application = Application::start(args, &workload, environment, port)?;
        accompany(application, &folder, workload.clone(), &mut events, &mut signals).await
    }
    .await;
    // First out of everybody's sight, then gone. Without the mesh there is nothing to leave.
    if folder.is_alive() {
        folder.remove_workload(&registered.name)?;
    }
    supervisor.stop().await;
    let _ = std::fs::remove_file(folder.log(&format!("{}-sidecar", registered.name)));
    outcome
}

/// While the program runs: traffic may come once it listens, signals go to it, and it must not listen to the
/// whole world.
async fn accompany(
    mut application: Application,
    folder: &RunFolder,
    mut workload: Workload,
    events: &mut mpsc::Receiver<Event>,
    signals: &mut Signals,
) -> Result<ExitCode> {
    let mut told = false;
    let start = tokio::time::Instant::now();
    loop {
        let pause = if workload.ready { WATCH } else { Duration::from_millis(50) };
        tokio::select! {
            code = application.ended() => return code,
            signal = signals.next() => application.forward(signal),
            Some(Event::Died(text) | Event::GaveUp(text)) = events.recv() => note(&text),
            () = tokio::time::sleep(pause) => {
                if let Some(wildcard) = application.wildcard() {
                    application.end().await;
                    bail!(
                        "refused: process {} listens on {}, which everybody can reach, past the sidecar; \
                         make it listen on 127.0.0.1 and the port in its variable PORT",
                        wildcard.pid,
                        wildcard.address
                    );
                }
                if !folder.is_alive() {
                    application.end().await;
                    bail!("the mesh has ended");
                }
                if !workload.ready && let Some(port) = application.listening_port() {
                    workload.ready = true;
                    workload.ports.values_mut().for_each(|own| *own = port);
                    folder.update(&workload)?;
                    note(&format!("{} is in the mesh, at {}", workload.name, workload.address));
                }
                if !workload.ready && !told && start.elapsed() > TELL {
                    told = true;
                    note(&application.what_is_awaited());
                }
            }
        }
    }
}

fn find_mesh(name: Option<&str>) -> Result<RunFolder> {
    let mut meshes = folder::all(&folder::root());
    let names = meshes.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>().join(", ");
    if let Some(name) = name {
        let found = meshes.into_iter().find(|(own, _)| own == name);
        let running = if names.is_empty() { "none" } else { &names };
        let (_, folder) = found.with_context(|| format!("no mesh {name:?} runs; running: {running}"))?;
        return Ok(folder);
    }
    match meshes.len() {
        1 => Ok(meshes.remove(0).1),
        0 => bail!("no mesh runs; start one in another terminal: weft up DIR"),
        _ => bail!("several meshes run; say which one with --mesh: {names}"),
    }
}

fn labels(args: &RunArgs) -> BTreeMap<String, String> {
    let mut labels: BTreeMap<String, String> = args.labels.iter().cloned().collect();
    labels.entry("app".to_owned()).or_insert_with(|| args.service.clone());
    labels
}

/// Whether a Service must be added for the workload.
fn service_for(args: &RunArgs, labels: &BTreeMap<String, String>, contents: &Contents) -> Result<bool> {
    let selecting: Vec<_> =
        contents.services.iter().filter(|service| service.selects(&args.namespace, labels)).collect();
    if selecting.is_empty() {
        if contents.services.iter().any(|service| service.is(&args.namespace, &args.service)) {
            bail!(
                "the Service {} does not select this workload: its selector asks for other labels; add them \
                 with --label",
                args.service
            );
        }
        return Ok(true);
    }
    if !selecting.iter().any(|service| service.has_port(args.port)) {
        let all = selecting.iter().map(|service| service.describe()).collect::<Vec<_>>().join(" and ");
        note(&format!(
            "note: no Service that selects this workload has port {} ({all}); unless one has it as targetPort, \
             nobody will call it",
            args.port
        ));
    }
    Ok(false)
}

fn workload(args: &RunArgs, labels: BTreeMap<String, String>, address: Ipv4Addr, port: u16) -> Workload {
    let workload_name = match labels.get("version") {
        Some(version) => format!("{}-{version}", args.service),
        None => args.service.clone(),
    };
    // A pod's name is a DNS name; a version may hold what such names may not.
    let clean = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let pod: String = workload_name.chars().map(clean).collect();
    Workload {
        name: format!("{pod}-{}", std::process::id()),
        workload_name,
        namespace: args.namespace.clone(),
        service_account: args.service_account.clone(),
        labels,
        address,
        ports: BTreeMap::from([(args.port, port)]),
        bind: None,
        ready: false,
    }
}
