//! The node agent: installs, answers the plugin, repairs, and goes in order.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result};
use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::Pod;
use kube::Client;
use kube::api::Api;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Semaphore;

use crate::ask::{Answer, MAX_LINE, Question};
use crate::install::{self, AGENT, Places};
use crate::repair::{Remedy, Repair};
use crate::{pods, rules};

/// Time between looks at the node's configuration: others may write it anew.
const LOOK: Duration = Duration::from_secs(1);
/// Pods at a time.
const MAX_CALLS: usize = 16;
/// Longest time for a question to come.
const QUESTION: Duration = Duration::from_secs(5);

/// What the agent is told; the environment is the ConfigMap `istio-cni-config`.
#[derive(Clone, Debug, clap::Args)]
pub struct Settings {
    /// What to log, as `weftd` has it.
    #[arg(long, default_value = "info")]
    pub log_level: String,
    /// Writes log lines as JSON.
    #[arg(long)]
    pub log_json: bool,
    /// This node.
    #[arg(long, env = "KUBERNETES_NODE_NAME")]
    node: String,
    /// Our own namespace.
    #[arg(long, env = "POD_NAMESPACE", default_value = "istio-system")]
    namespace: String,
    /// Namespaces whose pods are left alone, joined by commas.
    #[arg(long, env = "EXCLUDE_NAMESPACES", default_value = "kube-system", value_delimiter = ',')]
    exclude_namespaces: Vec<String>,
    /// File of the node's CNI configuration; the one in use if empty.
    #[arg(long, env = "CNI_CONF_NAME", default_value = "")]
    configuration: String,
    /// Whether we join the chain of the plugin in use; the only way here.
    #[arg(long, env = "CHAINED_CNI_PLUGIN", default_value = "true", action = clap::ArgAction::Set)]
    chained: bool,
    /// Where the node's folder of plugins is.
    #[arg(long, default_value = "/host/opt/cni/bin")]
    programs: PathBuf,
    /// Where the node's folder of configurations is.
    #[arg(long, default_value = "/host/etc/cni/net.d")]
    configurations: PathBuf,
    /// Where the node's folder of network namespaces is.
    #[arg(long, default_value = "/host/var/run/netns")]
    namespaces: PathBuf,
    /// Where the node's processes are.
    #[arg(long, default_value = "/host/proc")]
    processes: PathBuf,
    /// Where the plugin asks, the same path on the node and here.
    #[arg(long, default_value = "/var/run/istio-cni/weft.sock")]
    socket: PathBuf,
    /// The program that sets rules.
    #[arg(long, default_value = "/usr/local/bin/weft-proxy")]
    proxy: PathBuf,
    /// Whether pods that came before us are looked after.
    #[arg(long, env = "REPAIR_ENABLED", default_value = "true", action = clap::ArgAction::Set)]
    repair: bool,
    /// By being deleted.
    #[arg(long, env = "REPAIR_DELETE_PODS", default_value = "false", action = clap::ArgAction::Set)]
    repair_delete: bool,
    /// By being labelled.
    #[arg(long, env = "REPAIR_LABEL_PODS", default_value = "false", action = clap::ArgAction::Set)]
    repair_label: bool,
    /// The container that tries.
    #[arg(long, env = "REPAIR_INIT_CONTAINER_NAME", default_value = pods::TRIAL)]
    repair_container: String,
    /// Label of pods that are not redirected.
    #[arg(long, env = "REPAIR_BROKEN_POD_LABEL_KEY", default_value = "cni.istio.io/uninitialized")]
    label_key: String,
    /// Its value.
    #[arg(long, env = "REPAIR_BROKEN_POD_LABEL_VALUE", default_value = "true")]
    label_value: String,
}

struct Agent {
    settings: Settings,
    client: Client,
}

/// Runs until it is told to end.
///
/// # Errors
/// What is needed from the start is not there.
pub async fn run(settings: Settings) -> Result<()> {
    anyhow::ensure!(settings.chained, "CHAINED_CNI_PLUGIN=false: only a chained plugin is there");
    let mut terminate = signal(SignalKind::terminate())?;
    let client = weft_kube_source::connect(None).await?;
    let places = Places {
        programs: settings.programs.clone(),
        configurations: settings.configurations.clone(),
        file: settings.configuration.clone(),
    };
    // An agent before us may have left its own.
    let _ = std::fs::remove_file(&settings.socket);
    let listener = UnixListener::bind(&settings.socket)
        .with_context(|| format!("listening on {}", settings.socket.display()))?;
    let ready = Arc::new(AtomicBool::new(false));
    let health = TcpListener::bind(("0.0.0.0", 8000)).await.context("listening on 8000")?;
    let agent = Arc::new(Agent { settings: settings.clone(), client: client.clone() });
    let wanted = install::wanted(&settings.socket, &settings.exclude_namespaces, &settings.namespace);
    tokio::select! {
        () = agent.answer_all(listener) => {}
        () = keep(&places, &wanted, &ready) => {}
        () = told(health, ready.clone()) => {}
        () = repair(&settings, client.clone()) => {}
        _ = terminate.recv() => {}
    }
    if is_uninstalled(&client, &settings.namespace).await {
        tracing::info!("the DaemonSet is gone: the plugin goes too");
        install::remove(&places)?;
    }
    Ok(())
}

/// Keeps program and entry in place.
async fn keep(places: &Places, wanted: &serde_json::Value, ready: &AtomicBool) {
    let mut put = false;
    let mut said = String::new();
    loop {
        let done = if put { Ok(()) } else { install::program(places) };
        put |= done.is_ok();
        match done.and_then(|()| install::entry(places, wanted)) {
            Ok(changed) => {
                if changed {
                    tracing::info!("the plugin is in the node's CNI configuration");
                }
                said.clear();
                ready.store(true, Ordering::Relaxed);
            }
            Err(error) => {
                // A node whose network is still being made says the same for a while.
                let text = format!("{error:#}");
                if text != said {
                    tracing::warn!("{text}");
                    said = text;
                }
                ready.store(false, Ordering::Relaxed);
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Says at `/readyz` whether plugin and configuration are in place.
async fn told(listener: TcpListener, ready: Arc<AtomicBool>) {
    let page = move || {
        let ready = ready.load(Ordering::Relaxed);
        async move {
            if ready { (StatusCode::OK, "ready\n") } else { (StatusCode::SERVICE_UNAVAILABLE, "not ready\n") }
        }
    };
    let router = Router::new().route("/readyz", get(page)).route("/healthz", get(async || "alive\n"));
    if let Err(error) = axum::serve(listener, router).await {
        tracing::error!(%error, "health is told no more");
    }
}

async fn repair(settings: &Settings, client: Client) {
    if !settings.repair {
        return std::future::pending().await;
    }
    let remedy = match settings {
        Settings { repair_delete: true, .. } => Remedy::Delete,
        Settings { repair_label: true, .. } => {
            Remedy::Label(settings.label_key.clone(), settings.label_value.clone())
        }
        _ => Remedy::Mend,
    };
    let repair = Repair {
        node: settings.node.clone(),
        container: settings.repair_container.clone(),
        remedy,
        processes: settings.processes.clone(),
        proxy: settings.proxy.clone(),
    };
    repair.run(client).await;
}

/// Uninstalled, and not replaced: the DaemonSet is gone or going, or our rights are, which come and go with it.
async fn is_uninstalled(client: &Client, namespace: &str) -> bool {
    let api: Api<DaemonSet> = Api::namespaced(client.clone(), namespace);
    match tokio::time::timeout(Duration::from_secs(3), api.get_opt(AGENT)).await {
        Ok(Ok(found)) => found.is_none_or(|set| set.metadata.deletion_timestamp.is_some()),
        Ok(Err(kube::Error::Api(status))) => matches!(status.code, 401 | 403),
        // Who cannot ask does not know; pods rather wait.
        _ => false,
    }
}

impl Agent {
    async fn answer_all(self: Arc<Self>, listener: UnixListener) {
        let places = Arc::new(Semaphore::new(MAX_CALLS));
        loop {
            let Ok(place) = places.clone().acquire_owned().await else { return };
            match listener.accept().await {
                Ok((stream, _)) => {
                    let agent = self.clone();
                    tokio::spawn(async move {
                        let _place = place;
                        if let Err(error) = agent.answer(stream).await {
                            tracing::warn!("a question cannot be answered: {error:#}");
                        }
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "accept");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }

    async fn answer(&self, stream: UnixStream) -> Result<()> {
        let (read, mut write) = stream.into_split();
        let mut line = String::new();
        let mut read = BufReader::new(read.take(MAX_LINE));
        tokio::time::timeout(QUESTION, read.read_line(&mut line)).await??;
        let question: Question = serde_json::from_str(&line)?;
        let pod = format!("{}/{}", question.namespace, question.name);
        let error = match self.redirect(&question).await {
            Ok(redirected) => {
                tracing::info!(pod, redirected, "a pod's network is made");
                None
            }
            Err(error) => {
                tracing::warn!(pod, "{error:#}");
                Some(format!("{error:#}"))
            }
        };
        let mut answer = serde_json::to_string(&Answer { error })?;
        answer.push('\n');
        Ok(write.write_all(answer.as_bytes()).await?)
    }

    /// Sets a pod's rules if it is to have some; whether it is.
    async fn redirect(&self, question: &Question) -> Result<bool> {
        let api: Api<Pod> = Api::namespaced(self.client.clone(), &question.namespace);
        let pod = api.get(&question.name).await.context("asking the API server for the pod")?;
        let Some(words) = pods::arguments(&pod) else { return Ok(false) };
        let name =
            Path::new(&question.netns).file_name().context("the runtime names no network namespace")?;
        rules::set(&self.settings.proxy, &self.settings.namespaces.join(name), &words).await?;
        Ok(true)
    }
}
