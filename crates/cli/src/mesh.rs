//! A mesh of this process: control plane, ingress gateway, and whatever workloads join.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::sync::mpsc;

use crate::address::{self, Block, Ports};
use crate::child::Spec;
use crate::folder::{self, MeshRecord, OwnFolder, Owned, Registered, RunFolder};
use crate::launch::Launcher;
use crate::proxies;
use crate::siblings::Siblings;
use crate::supervise::{Event, Stage, Supervised, Supervisor};
use crate::workload::{self, Workload};

/// How long each part may take to become ready.
pub(crate) const READY: Duration = Duration::from_secs(30);
/// After so many deaths in a row the control plane is given up, and the mesh with it.
const CONTROL_TRIES: u32 = 5;
/// Ports of the control plane when they are free, Istio's.
const GRPC: u16 = 15012;
const HTTP: u16 = 15014;
/// Distance of the ingress gateway's two ports when it is free: 8080 and 8443.
const HTTPS_OFFSET: u16 = 363;

/// A mesh; to be ended by [`Mesh::stop`].
#[derive(Debug)]
pub(crate) struct Mesh {
    /// Where everything is.
    pub(crate) record: MeshRecord,
    /// The run folder.
    pub(crate) folder: OwnFolder,
    /// Children.
    pub(crate) supervisor: Supervisor,
    /// What happens to them.
    pub(crate) events: mpsc::Receiver<Event>,
    siblings: Siblings,
    gateway: Workload,
    ports: Ports,
    members: Vec<Registered>,
    awaited: Vec<(Supervised, Awaited)>,
}

/// When a child counts as ready.
#[derive(Debug)]
enum Awaited {
    Proxy(Workload),
    Listens(u16),
}

impl Mesh {
    /// Takes name, addresses and ports, and makes the run folder; starts nothing yet.
    ///
    /// # Errors
    /// If the ingress port is taken or a mesh of that name runs.
    pub(crate) fn prepare(
        name: &str,
        ingress: u16,
        siblings: impl FnOnce() -> Result<Siblings>,
        dir: impl FnOnce() -> Result<(PathBuf, Option<Owned>)>,
    ) -> Result<Self> {
        // Before programs are built, which may take minutes.
        address::check_ingress(ingress)?;
        let siblings = siblings()?;
        let root = folder::root();
        // For what dead ones left.
        let _ = folder::all(&root);
        let folder = RunFolder::create(&root, name)?;
        let mut ports = Ports::default();
        let block = Block::free(ingress)?;
        let https = ports.prefer(ingress.checked_add(HTTPS_OFFSET).unwrap_or(8443))?;
        let (dir, owned) = dir()?;
        let record = MeshRecord {
            dir,
            owned,
            pid: std::process::id(),
            grpc: ports.control(GRPC, ingress)?,
            http: ports.control(HTTP, ingress)?,
            ingress,
            block,
        };
        record.write(&folder)?;
        let (sender, events) = mpsc::channel(256);
        Ok(Self {
            gateway: workload::gateway(block.pod(Block::GATEWAY), ingress, https),
            supervisor: Supervisor::new(Launcher::own(), sender),
            record,
            folder,
            events,
            siblings,
            ports,
            members: Vec::new(),
            awaited: Vec::new(),
        })
    }

    /// Starts the control plane and waits for it, then the ingress gateway.
    ///
    /// # Errors
    /// If the control plane does not become ready.
    pub(crate) async fn start(&mut self) -> Result<()> {
        self.folder.add_service(workload::GATEWAY, &workload::gateway_service())?;
        let gateway = self.gateway.clone();
        let registered = self.folder.add(&gateway)?;
        let spec = proxies::control_plane(&self.siblings, &self.folder, &self.record);
        let control = self.supervisor.start(Stage::Control, spec, CONTROL_TRIES)?;
        let ready = ([127, 0, 0, 1], self.record.http).into();
        control.wait_until(READY, async || proxies::answers(ready, "/ready").await).await?;
        let spec = self.proxy(&gateway, &registered);
        let child = self.supervisor.start(Stage::Application, spec, 0)?;
        self.awaited.push((child, Awaited::Proxy(gateway)));
        self.members.push(registered);
        Ok(())
    }

    /// Adds a workload at a free address; returns it.
    ///
    /// # Errors
    /// If the mesh is full or the run folder cannot be written.
    pub(crate) fn join(&mut self, make: impl FnOnce(std::net::Ipv4Addr) -> Workload) -> Result<Workload> {
        let (workload, registered) = self.folder.add_workload(self.record.block, make)?;
        let spec = self.proxy(&workload, &registered);
        let child = self.supervisor.start(Stage::Sidecar, spec, 0)?;
        self.awaited.push((child, Awaited::Proxy(workload.clone())));
        self.members.push(registered);
        Ok(workload)
    }

    /// Starts an application that is to listen on this port of 127.0.0.1.
    ///
    /// # Errors
    /// If the process cannot be made.
    pub(crate) fn run(&mut self, spec: Spec, port: u16) -> Result<()> {
        let child = self.supervisor.start(Stage::Application, spec, 0)?;
        self.awaited.push((child, Awaited::Listens(port)));
        Ok(())
    }

    /// Waits until every child that was started is ready.
    ///
    /// # Errors
    /// For the first one that is not in time.
    pub(crate) async fn ready(&mut self) -> Result<()> {
        for (child, awaited) in self.awaited.drain(..) {
            let is = async || match &awaited {
                Awaited::Proxy(workload) => proxies::is_ready(workload).await,
                Awaited::Listens(port) => {
                    tokio::net::TcpStream::connect((std::net::Ipv4Addr::LOCALHOST, *port)).await.is_ok()
                }
            };
            child.wait_until(READY, is).await?;
        }
        Ok(())
    }

    /// Waits until a page comes through the ingress.
    ///
    /// # Errors
    /// With the last answer, if none does in time.
    pub(crate) async fn ready_through_ingress(&self, path: &str) -> Result<()> {
        let start = tokio::time::Instant::now();
        let mut client = crate::http::Client::new(self.ingress());
        loop {
            let answer = client.get(path, &[], Duration::from_secs(10)).await;
            let why = match answer {
                Ok(answer) if answer.status.is_success() => return Ok(()),
                Ok(answer) => {
                    let text = String::from_utf8_lossy(&answer.body).chars().take(300).collect::<String>();
                    anyhow::anyhow!("{} {}", answer.status, text.trim())
                }
                Err(error) => error,
            };
            if start.elapsed() > READY {
                return Err(why)
                    .with_context(|| format!("no {path} through the ingress at {}", self.ingress()));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// A free port for an application.
    ///
    /// # Errors
    /// If there is none.
    pub(crate) fn port(&mut self) -> Result<u16> {
        self.ports.any()
    }

    /// Where the ingress listens.
    #[must_use]
    pub(crate) fn ingress(&self) -> std::net::SocketAddr {
        ([127, 0, 0, 1], self.record.ingress).into()
    }

    /// Programs.
    #[must_use]
    pub(crate) fn siblings(&self) -> &Siblings {
        &self.siblings
    }

    /// Ends every child, and removes the run folder; whether the user's folder is left.
    pub(crate) async fn stop(mut self) -> bool {
        self.supervisor.stop().await;
        !self.record.remove_untouched()
    }

    fn proxy(&self, workload: &Workload, registered: &Registered) -> Spec {
        proxies::proxy(&self.siblings.proxy, &self.folder, &self.record, workload, registered)
    }
}
