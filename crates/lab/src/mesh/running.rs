//! A mesh that runs.

use super::call::{self, Answer};
use super::objects;
use super::plan::{Plan, Proxy};
use super::programs::{envoy, install, program};
use super::workload::Workload;
use crate::netns::{Host, Network};
use crate::process::{Process, binary};
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};

/// Control plane's port for proxies, and for people.
const GRPC: u16 = 15012;
const HTTP: u16 = 15014;

/// All of it; dropping it stops every process and deletes every host.
#[derive(Debug)]
pub struct Mesh {
    pub(super) plan: Plan,
    pub(super) workloads: BTreeMap<String, Workload>,
    pub(super) gateway: Option<Workload>,
    outside: Host,
    control: Host,
    weftd: Option<Process>,
    pub(super) network: Network,
    pub(super) dir: tempfile::TempDir,
    _alone: SemaphorePermit<'static>,
}

/// One mesh at a time in one process: two would take each other's processor time.
static ALONE: Semaphore = Semaphore::const_new(1);

impl Mesh {
    /// Starts everything, and waits until every proxy is ready.
    ///
    /// # Errors
    /// Names the program that did not start, with the end of what it wrote.
    pub async fn start(plan: Plan) -> Result<Self> {
        let alone = ALONE.acquire().await?;
        let dir = tempfile::Builder::new().prefix("weft-lab-").tempdir()?;
        std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o755))?;
        let network = Network::make()?;
        let (control, outside) = (network.host()?, network.host()?);
        for name in ["config", "lab", "tokens", "bin"] {
            std::fs::create_dir(dir.path().join(name))?;
        }
        for name in ["weftd", "weft-proxy", "weft-bookinfo"] {
            install(&program(name), &dir.path().join("bin").join(name))?;
        }
        if plan.proxy == Proxy::Envoy {
            install(&binary(&envoy()), &dir.path().join("bin/envoy"))?;
        }
        let mut mesh = Self {
            plan: plan.clone(),
            workloads: BTreeMap::new(),
            gateway: None,
            outside,
            control,
            weftd: None,
            network,
            dir,
            _alone: alone,
        };
        std::fs::write(mesh.dir.path().join("lab/services.yaml"), objects::services())?;
        std::fs::write(mesh.token_file(), "")?;
        std::fs::write(mesh.dir.path().join("mesh.yaml"), "accessLogFile: /dev/stdout\n")?;
        let hosts: Vec<Host> = plan.workloads.iter().map(|_| mesh.network.host()).collect::<Result<_>>()?;
        for ((service, version), host) in plan.workloads.iter().zip(&hosts) {
            let name = format!("{service}-{version}");
            mesh.register(&name, service, version, host, true)?;
            mesh.token(&name, "default", &format!("bookinfo-{service}"))?;
        }
        let gateway = plan.gateway.then(|| mesh.network.host()).transpose()?;
        if let Some(host) = &gateway {
            let labels = [("istio", "ingressgateway"), ("app", "istio-ingressgateway")];
            let pod = objects::pod(
                "istio-system",
                "ingressgateway",
                "istio-ingressgateway",
                &labels,
                host.address,
                true,
            );
            std::fs::write(mesh.dir.path().join("lab/ingressgateway.yaml"), pod)?;
            mesh.token("ingressgateway", "istio-system", "istio-ingressgateway")?;
        }
        mesh.start_control().await?;
        if let Some(host) = gateway {
            let folder = mesh.folder("ingressgateway")?;
            let sidecar = Some(mesh.start_proxy(&host, "ingressgateway", "", &folder)?);
            mesh.gateway = Some(Workload { host, sidecar, app: None, folder });
        }
        for ((service, version), host) in plan.workloads.iter().zip(hosts) {
            mesh.add(&format!("{service}-{version}"), service, version, host)?;
        }
        mesh.until_ready().await?;
        Ok(mesh)
    }

    /// The folder whose YAML is in force; write Istio's objects there.
    pub fn config(&self) -> PathBuf {
        self.dir.path().join("config")
    }

    /// Writes a file of objects.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn apply(&self, file: &str, text: &str) -> Result<()> {
        let path = self.config().join(file);
        std::fs::write(&path, text).with_context(|| path.display().to_string())
    }

    /// Takes a file of objects away.
    ///
    /// # Errors
    /// When it is not there.
    pub fn remove(&self, file: &str) -> Result<()> {
        Ok(std::fs::remove_file(self.config().join(file))?)
    }

    /// A host without a proxy.
    pub fn outside(&self) -> &Host {
        &self.outside
    }

    /// The host of the bridge.
    pub fn hub(&self) -> &Host {
        self.network.hub()
    }

    /// A workload, by `SERVICE-VERSION`.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn workload(&self, name: &str) -> Result<&Workload> {
        self.workloads.get(name).with_context(|| format!("no workload {name}"))
    }

    /// The gateway's HTTP address.
    ///
    /// # Errors
    /// When the plan had none.
    pub fn ingress(&self) -> Result<SocketAddr> {
        let gateway = self.gateway.as_ref().context("the plan has no gateway")?;
        Ok(SocketAddr::new(gateway.host.address, 8080))
    }

    /// A request from a workload's application to a service of Bookinfo.
    ///
    /// # Errors
    /// As [`call::get`].
    pub async fn get(
        &self,
        from: &str,
        service: &str,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Result<Answer> {
        self.caller(from, service)?.get(path, &with_host(service, headers)).await
    }

    /// A connection from a workload's application to a service of Bookinfo.
    ///
    /// # Errors
    /// As [`call::Caller::connect`].
    pub fn caller(&self, from: &str, service: &str) -> Result<call::Caller> {
        call::Caller::connect(&self.workload(from)?.host, virtual_address(service)?)
    }

    /// What the control plane's page at `path` says.
    ///
    /// # Errors
    /// As [`call::get`].
    pub async fn debug(&self, path: &str) -> Result<Answer> {
        let to = SocketAddr::new([127, 0, 0, 1].into(), HTTP);
        call::get(&self.control, to, path, &[("host", "localhost"), ("connection", "close")]).await
    }

    /// Where the control plane takes proxies.
    pub fn control_address(&self) -> SocketAddr {
        SocketAddr::new(self.control.address, GRPC)
    }

    /// Which proxy carries the requests.
    pub fn proxy(&self) -> Proxy {
        self.plan.proxy
    }

    /// Kills the control plane at once.
    pub fn kill_control(&mut self) {
        self.weftd = None;
    }

    /// Starts the control plane (again).
    ///
    /// # Errors
    /// With the end of what it wrote.
    pub async fn start_control(&mut self) -> Result<()> {
        let folder = self.folder("weftd")?;
        let mut command = self.control.command(&self.bin("weftd"), None);
        let path = |name: &str| self.dir.path().join(name);
        command.arg("--config-dir").arg(path("config")).arg("--config-dir").arg(path("lab"));
        command.arg("--mesh-config").arg(path("mesh.yaml"));
        command.arg("--state-dir").arg(path("state")).arg("--token-auth-file").arg(self.token_file());
        command.args([
            "--grpc",
            &format!("{}:{GRPC}", self.control.address),
            "--http",
            &format!("127.0.0.1:{HTTP}"),
        ]);
        let mut process = Process::start(command, &folder)?;
        let ready = || async { self.debug("/ready").await.is_ok_and(|answer| answer.status == 200) };
        process.until_ready(ready).await.context("weftd")?;
        // Proxies run as another user.
        for readable in ["state", "state/root-cert.pem"] {
            let mode = if readable == "state" { 0o711 } else { 0o644 };
            std::fs::set_permissions(path(readable), PermissionsExt::from_mode(mode)).context(readable)?;
        }
        self.weftd = Some(process);
        Ok(())
    }

    /// What a proxy and its application wrote last.
    ///
    /// # Errors
    /// When there is no such workload.
    pub fn logs(&self, name: &str) -> Result<String> {
        let workload = self.workload(name)?;
        Ok(workload.sidecar.as_ref().map(Process::complaints).unwrap_or_default())
    }

    pub(super) fn folder(&self, name: &str) -> Result<PathBuf> {
        let folder = self.dir.path().join("run").join(name);
        std::fs::create_dir_all(&folder)?;
        std::fs::set_permissions(&folder, PermissionsExt::from_mode(0o777))?;
        Ok(folder)
    }

    pub(super) fn bin(&self, name: &str) -> String {
        self.dir.path().join("bin").join(name).display().to_string()
    }

    pub(super) fn token_file(&self) -> PathBuf {
        self.dir.path().join("tokens.csv")
    }
}

/// For whoever looks for a fault: `WEFT_LAB_HOLD` keeps a mesh so many seconds before it is taken down, and
/// `WEFT_LAB_LOGS=keep` keeps its folder.
impl Drop for Mesh {
    fn drop(&mut self) {
        let hold = std::env::var("WEFT_LAB_HOLD").ok().and_then(|seconds| seconds.parse().ok());
        std::thread::sleep(Duration::from_secs(hold.unwrap_or(0)));
        if std::env::var_os("WEFT_LAB_LOGS").is_some_and(|value| value == "keep") {
            let kept = std::env::temp_dir().join(format!("weft-lab-kept-{}", std::process::id()));
            let _ = std::process::Command::new("cp").arg("-r").arg(self.dir.path()).arg(kept).status();
        }
    }
}

/// Where a service of Bookinfo is called.
///
/// # Errors
/// When there is no such service.
pub fn virtual_address(service: &str) -> Result<SocketAddr> {
    let known = objects::SERVICES.iter().find(|known| known.name == service);
    let known = known.with_context(|| format!("no service {service}"))?;
    Ok(SocketAddr::new(known.address.into(), objects::PORT))
}

/// Headers with the `host` that Bookinfo's clients send.
pub fn with_host<'a>(service: &'a str, headers: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let host = match service {
        "productpage" => "productpage:9080",
        "details" => "details:9080",
        "reviews" => "reviews:9080",
        _ => "ratings:9080",
    };
    std::iter::once(("host", host)).chain(headers.iter().copied()).collect()
}
