//! A mesh that runs.

use super::call::{self, Answer};
use super::echo::Echo;
use super::objects;
use crate::netns::{Host, Network, PROXY_UID};
use crate::process::{Process, binary};
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep};

/// User of applications; not the proxy's, or nothing would be redirected.
const APP_UID: u32 = 1000;
/// Control plane's port for proxies, and for people.
const GRPC: u16 = 15012;
const HTTP: u16 = 15014;
/// How long a proxy may take to be ready.
const READY: Duration = Duration::from_secs(30);

/// Which proxy carries the requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proxy {
    /// Ours.
    Weft,
    /// A real Envoy under `weft-proxy agent`.
    Envoy,
}

/// One workload of Bookinfo.
pub type Instance = (&'static str, &'static str);

/// What to start.
#[derive(Debug, Clone)]
pub struct Plan {
    /// In front of every workload and as the gateway.
    pub proxy: Proxy,
    /// Service and version of each workload.
    pub workloads: Vec<Instance>,
    /// Whether there is a gateway.
    pub gateway: bool,
    /// Whether the applications are [`Echo`]es in place of Bookinfo.
    pub echo: bool,
    /// Life that workloads ask for their certificates, seconds; `None`: a day.
    pub certificate_seconds: Option<u64>,
}

/// An application.
#[derive(Debug)]
pub enum App {
    /// Bookinfo's program.
    Bookinfo(Process),
    /// An echo in this process.
    Echo(Echo),
}

impl Plan {
    /// All of Bookinfo and a gateway.
    pub fn bookinfo(proxy: Proxy) -> Self {
        let workloads = [
            ("productpage", "v1"),
            ("details", "v1"),
            ("reviews", "v1"),
            ("reviews", "v2"),
            ("reviews", "v3"),
            ("ratings", "v1"),
        ];
        Self { proxy, workloads: workloads.to_vec(), gateway: true, echo: false, certificate_seconds: None }
    }
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
    folder: PathBuf,
}

/// All of it; dropping it stops every process and deletes every host.
#[derive(Debug)]
pub struct Mesh {
    plan: Plan,
    workloads: BTreeMap<String, Workload>,
    gateway: Option<Workload>,
    outside: Host,
    control: Host,
    weftd: Option<Process>,
    network: Network,
    dir: tempfile::TempDir,
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

    /// The generation of the control plane's snapshot.
    async fn generation(&self) -> Result<u64> {
        let page = self.debug("/metrics").await?;
        let line = page.body.lines().find_map(|line| line.strip_prefix("weft_snapshot_generation "));
        Ok(line.context("no weft_snapshot_generation")?.trim().parse()?)
    }

    /// Waits until the control plane has seen a change, and every proxy has acknowledged it.
    async fn until_newer(&self, known: u64) -> Result<()> {
        let begun = Instant::now();
        while self.generation().await? <= known {
            if begun.elapsed() > Duration::from_secs(5) {
                bail!("weftd does not see the change");
            }
            sleep(Duration::from_millis(20)).await;
        }
        self.until_synced().await
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

    /// Waits until every connected proxy has acknowledged all that was sent to it.
    ///
    /// # Errors
    /// When one has not after ten seconds.
    pub async fn until_synced(&self) -> Result<()> {
        let begun = Instant::now();
        loop {
            let page = self.debug("/debug/syncz").await?;
            let streams: Vec<serde_json::Value> = serde_json::from_str(&page.body)?;
            let newest = streams.iter().filter_map(|stream| stream["generation"].as_u64()).max();
            let done = |stream: &serde_json::Value| {
                stream["inSync"] == true && stream["generation"].as_u64() == newest
            };
            let proxies = self.workloads.values().filter(|workload| workload.sidecar.is_some()).count();
            if streams.len() >= proxies && streams.iter().all(done) {
                return Ok(());
            }
            if begun.elapsed() > Duration::from_secs(10) {
                let late: Vec<String> = streams
                    .iter()
                    .filter(|stream| !done(stream))
                    .map(|s| format!("{} at {} of {newest:?}", s["proxy"], s["generation"]))
                    .collect();
                bail!("not synced: {}", late.join(", "));
            }
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until every proxy is ready.
    ///
    /// # Errors
    /// With the end of what the proxy wrote that is not.
    pub async fn until_ready(&mut self) -> Result<()> {
        let begun = Instant::now();
        let hub = self.network.hub();
        for workload in self.workloads.values_mut().chain(&mut self.gateway) {
            let to = SocketAddr::new(workload.host.address, 15021);
            let headers = [("host", "ready"), ("connection", "close")];
            loop {
                if call::get(hub, to, "/healthz/ready", &headers).await.is_ok_and(|a| a.status == 200) {
                    break;
                }
                let Some(sidecar) = &mut workload.sidecar else { break };
                if !sidecar.alive() || begun.elapsed() > READY {
                    bail!("{}: not ready: {}", workload.folder.display(), sidecar.complaints());
                }
                sleep(Duration::from_millis(50)).await;
            }
        }
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

    fn register(&self, name: &str, service: &str, version: &str, host: &Host, ready: bool) -> Result<()> {
        let account = format!("bookinfo-{service}");
        let labels = [("app", service), ("version", version), ("security.istio.io/tlsMode", "istio")];
        let pod = objects::pod("default", name, &account, &labels, host.address, ready);
        Ok(std::fs::write(self.dir.path().join(format!("lab/{name}.yaml")), pod)?)
    }

    fn add(&mut self, name: &str, service: &str, version: &str, host: Host) -> Result<()> {
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
    fn start_proxy(&self, host: &Host, pod: &str, service: &str, folder: &Path) -> Result<Process> {
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
        command.args(["--discovery", &format!("{}:{GRPC}", self.control.address), "--pod-name", pod]);
        command.args(["--namespace", namespace, "--service-account", &account, "--labels", &labels]);
        command.args(["--ip", &host.address.to_string(), "--concurrency", "1"]);
        command.args(["--workload-name", pod]);
        command.arg("--root-cert").arg(state.join("state/root-cert.pem"));
        command.arg("--token").arg(state.join("tokens").join(pod));
        Process::start(command, folder)
    }

    fn folder(&self, name: &str) -> Result<PathBuf> {
        let folder = self.dir.path().join("run").join(name);
        std::fs::create_dir_all(&folder)?;
        std::fs::set_permissions(&folder, PermissionsExt::from_mode(0o777))?;
        Ok(folder)
    }

    fn bin(&self, name: &str) -> String {
        self.dir.path().join("bin").join(name).display().to_string()
    }

    fn token_file(&self) -> PathBuf {
        self.dir.path().join("tokens.csv")
    }

    /// A token of a workload, known to the control plane.
    fn token(&self, pod: &str, namespace: &str, account: &str) -> Result<()> {
        let token = format!("lab-token-of-{namespace}-{pod}-{}", std::process::id());
        let path = self.dir.path().join("tokens").join(pod);
        std::fs::write(&path, &token)?;
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o644))?;
        let mut known = std::fs::read_to_string(self.token_file())?;
        known.push_str(&format!("{token},system:serviceaccount:{namespace}:{account},{pod}\n"));
        Ok(std::fs::write(self.token_file(), known)?)
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

/// Copies a program to where any user may run it: the checkout may lie in a folder closed to uid 1337.
fn install(from: &Path, to: &Path) -> Result<()> {
    std::fs::copy(from, to).with_context(|| format!("{} is needed: build it first", from.display()))?;
    Ok(std::fs::set_permissions(to, PermissionsExt::from_mode(0o755))?)
}

fn program(name: &str) -> PathBuf {
    let folder = std::env::var_os("WEFT_PROGRAMS").map_or_else(|| at_root("target/debug"), PathBuf::from);
    folder.join(name)
}

fn envoy() -> PathBuf {
    std::env::var_os("WEFT_ENVOY").map_or_else(|| at_root("target/tools/venv/bin/envoy"), PathBuf::from)
}

fn at_root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}
