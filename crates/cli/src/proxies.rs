//! How the programs of a mesh are called: `weftd`, and `weft-proxy` before a workload or as gateway.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use crate::child::Spec;
use crate::folder::{MeshRecord, Registered, RunFolder};
use crate::http::Client;
use crate::siblings::Siblings;
use crate::workload::Workload;

/// Health of a proxy, on its pod address (SD rows).
const READINESS: u16 = 15021;
/// Metrics of a proxy.
pub(crate) const METRICS: u16 = 15090;
/// Admin page of a proxy.
const ADMIN: u16 = 15000;
/// HTTP proxy of a sidecar in the embedded mode.
const HTTP_PROXY: u16 = 15007;
/// Name of the mesh as node metadata tells it, Istio's default.
const MESH_ID: &str = "cluster.local";
/// How long proxies let open requests go on at the end, in seconds: on one machine callers end as well.
const DRAIN_SECONDS: &str = "1";

/// The control plane over the user's folder and the run folder.
#[must_use]
pub(crate) fn control_plane(siblings: &Siblings, folder: &RunFolder, record: &MeshRecord) -> Spec {
    let mut arguments = Arguments::default();
    arguments.flag("--config-dir", &record.dir);
    arguments.flag("--config-dir", folder.objects());
    arguments.flag("--state-dir", folder.state());
    arguments.flag("--grpc", format!("127.0.0.1:{}", record.grpc));
    arguments.flag("--http", format!("127.0.0.1:{}", record.http));
    arguments.flag("--token-auth-file", folder.tokens());
    Spec {
        name: "weftd".to_owned(),
        program: siblings.weftd.clone(),
        arguments: arguments.0,
        environment: Vec::new(),
        log: folder.log("weftd"),
    }
}

/// The proxy of a workload.
#[must_use]
pub(crate) fn proxy(
    program: &Path,
    folder: &RunFolder,
    record: &MeshRecord,
    workload: &Workload,
    registered: &Registered,
) -> Spec {
    let gateway = workload.bind.is_some();
    let labels: Vec<String> =
        workload.all_labels().iter().map(|(key, value)| format!("{key}={value}")).collect();
    let address = workload.address;
    let mut arguments = Arguments::default();
    arguments.0.push(if gateway { "router" } else { "sidecar" }.into());
    arguments.flag("--discovery", format!("127.0.0.1:{}", record.grpc));
    arguments.flag("--root-cert", folder.state().join("root-cert.pem"));
    arguments.flag("--token", &registered.token);
    arguments.flag("--pod-name", &workload.name);
    arguments.flag("--namespace", &workload.namespace);
    arguments.flag("--service-account", &workload.service_account);
    arguments.flag("--ip", address.to_string());
    arguments.flag("--labels", labels.join(","));
    arguments.flag("--workload-name", &workload.workload_name);
    arguments.flag("--mesh-id", MESH_ID);
    arguments.flag("--interception-mode", "NONE");
    arguments.flag("--bind", address.to_string());
    arguments.flag("--admin", format!("{address}:{ADMIN}"));
    arguments.flag("--concurrency", "1");
    arguments.flag("--drain-time-s", DRAIN_SECONDS);
    let name = if gateway { workload.name.clone() } else { format!("{}-sidecar", workload.name) };
    Spec {
        program: program.to_owned(),
        arguments: arguments.0,
        environment: vec![("TERMINATION_DRAIN_DURATION_SECONDS".to_owned(), DRAIN_SECONDS.to_owned())],
        log: folder.log(&name),
        name,
    }
}

/// What tells an application its way into the mesh: calls by HTTP go to its sidecar, by mesh names.
#[must_use]
pub(crate) fn way_into_mesh(workload: &Workload) -> Vec<(String, String)> {
    let proxy = format!("http://{}:{HTTP_PROXY}", workload.address);
    let variable = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    vec![
        variable("http_proxy", &proxy),
        variable("no_proxy", "127.0.0.1,localhost,::1"),
        variable("HOST", "127.0.0.1"),
    ]
}

/// Whether a page answers 200.
pub(crate) async fn answers(address: SocketAddr, path: &str) -> bool {
    let answer = Client::new(address).get(path, &[], Duration::from_secs(1)).await;
    answer.is_ok_and(|answer| answer.status.is_success())
}

/// Whether a workload's proxy is ready.
pub(crate) async fn is_ready(workload: &Workload) -> bool {
    answers((workload.address, READINESS).into(), "/healthz/ready").await
}

#[derive(Default)]
struct Arguments(Vec<OsString>);

impl Arguments {
    fn flag(&mut self, name: &str, value: impl AsRef<std::ffi::OsStr>) {
        self.0.push(name.into());
        self.0.push(value.as_ref().to_owned());
    }
}
