//! Workloads of a mesh: how they come, live and go.

use super::echo::Echo;
use super::objects;
use super::plan::Proxy;
use super::running::Mesh;
use crate::netns::{Host, PROXY_UID};
use crate::process::Process;
use anyhow::Result;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// User of applications; not the proxy's, or nothing would be redirected.
const APP_UID: u32 = 1000;

/// An application.
#[derive(Debug)]
pub enum App {
    /// Bookinfo's program.
    Bookinfo(Process),
    /// An echo in this process.
    Echo(Echo),
}

/// A workload's host and processes.
#[derive(Debug)]
pub struct Workload {
    /// Where it runs.
    pub host: Host,
    /// Its proxy; `None` while it is down.
    pub sidecar: Option<Process>,
    /// The application; `None` for a gateway, or while it is down.
    pub app: Option<App>,
    pub(super) folder: PathBuf,
}

impl Mesh {
    /// Starts one more workload of a service, on a host of its own, and waits until it is ready.
    ///
    /// # Errors
    /// As [`Mesh::start`].
    pub async fn add_workload(&mut self, name: &str, service: &str, version: &str) -> Result<()> {
        let host = self.network.host()?;
        self.register(name, service, version, &host, false)?;
        self.token(name, "default", &format!("bookinfo-{service}"))?;
        self.add(name, service, version, host)?;
        self.until_ready().await?;
        let known = self.generation().await?;
        let host = &self.workload(name)?.host;
        self.register(name, service, version, host, true)?;
        self.until_newer(known).await
    }

    /// Takes a workload's object away, and waits until every proxy knows; its processes go on until
    /// [`Self::end_workload`].
    ///
    /// # Errors
    /// When there is none of that name, or a proxy does not acknowledge.
    pub async fn retire_workload(&self, name: &str) -> Result<()> {
        let known = self.generation().await?;
        std::fs::remove_file(self.dir.path().join(format!("lab/{name}.yaml")))?;
        self.until_newer(known).await
    }

    /// Kills a workload's processes with -9; its host stays, so that connections to it are refused and
    /// not lost. Its object stays too.
    pub fn kill_workload(&mut self, name: &str) {
        if let Some(workload) = self.workloads.get_mut(name) {
            workload.app = None;
            workload.sidecar = None;
            workload.host.kill_all();
        }
    }

    /// Ends a workload's proxy as a cluster does, and deletes its host.
    pub async fn end_workload(&mut self, name: &str) {
        let Some(mut workload) = self.workloads.remove(name) else { return };
        if let Some(sidecar) = workload.sidecar.take() {
            sidecar.stop().await;
        }
    }

    pub(super) fn register(
        &self,
        name: &str,
        service: &str,
        version: &str,
        host: &Host,
        ready: bool,
    ) -> Result<()> {
        let account = format!("bookinfo-{service}");
        let mut labels = vec![("app", service), ("version", version), ("security.istio.io/tlsMode", "istio")];
        if self.plan.proxy == Proxy::Weft {
            labels.push(("networking.istio.io/tunnel", "http"));
        }
        let pod = objects::pod("default", name, &account, &labels, host.address, ready);
        Ok(std::fs::write(self.dir.path().join(format!("lab/{name}.yaml")), pod)?)
    }

    pub(super) fn add(&mut self, name: &str, service: &str, version: &str, host: Host) -> Result<()> {
        host.set_hosts(&objects::hosts())?;
        host.redirect()?;
        let folder = self.folder(name)?;
        let sidecar = Some(self.start_proxy(&host, name, service, &folder)?);
        let app = if self.plan.echo {
            App::Echo(Echo::start(&host, objects::PORT, name)?)
        } else {
            let mut command = host.command(&self.bin("weft-bookinfo"), Some(APP_UID));
            command.args([
                service,
                "--version",
                version,
                "--host",
                "0.0.0.0",
                "--wildcard",
                "--pod-name",
                name,
            ]);
            App::Bookinfo(Process::start(command, &self.folder(&format!("{name}-app"))?)?)
        };
        let app = Some(app);
        self.workloads.insert(name.to_owned(), Workload { host, sidecar, app, folder });
        Ok(())
    }

    /// Starts the proxy of a pod; a gateway's has no service.
    pub(super) fn start_proxy(
        &self,
        host: &Host,
        pod: &str,
        service: &str,
        folder: &Path,
    ) -> Result<Process> {
        let mut command = host.command(&self.bin("weft-proxy"), Some(PROXY_UID));
        command.current_dir(folder);
        if let Some(seconds) = self.plan.certificate_seconds {
            command.env("SECRET_TTL", format!("{seconds}s"));
        }
        match self.plan.proxy {
            Proxy::Weft if service.is_empty() => _ = command.arg("router"),
            Proxy::Weft => _ = command.arg("sidecar"),
            Proxy::Envoy => {
                command.args(["agent", "--envoy", &self.bin("envoy")]);
                if service.is_empty() {
                    command.arg("--router");
                }
            }
        }
        let (namespace, account, labels) = if service.is_empty() {
            (
                "istio-system",
                "istio-ingressgateway".to_owned(),
                "istio=ingressgateway,app=istio-ingressgateway".to_owned(),
            )
        } else {
            let version = pod.rsplit_once('-').map_or("v1", |(_, version)| version);
            ("default", format!("bookinfo-{service}"), format!("app={service},version={version}"))
        };
        let state = self.dir.path();
        command.args(["--discovery", &self.control_address().to_string(), "--pod-name", pod]);
        command.args(["--namespace", namespace, "--service-account", &account, "--labels", &labels]);
        command.args(["--ip", &host.address.to_string(), "--concurrency", "1"]);
        command.args(["--workload-name", pod]);
        command.arg("--root-cert").arg(state.join("state/root-cert.pem"));
        command.arg("--token").arg(state.join("tokens").join(pod));
        Process::start(command, folder)
    }

    /// A token of a workload, known to the control plane.
    pub(super) fn token(&self, pod: &str, namespace: &str, account: &str) -> Result<()> {
        let token = format!("lab-token-of-{namespace}-{pod}-{}", std::process::id());
        let path = self.dir.path().join("tokens").join(pod);
        std::fs::write(&path, &token)?;
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o644))?;
        let mut known = std::fs::read_to_string(self.token_file())?;
        known.push_str(&format!("{token},system:serviceaccount:{namespace}:{account},{pod}\n"));
        Ok(std::fs::write(self.token_file(), known)?)
    }
}
