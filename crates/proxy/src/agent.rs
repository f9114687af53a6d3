//! `weft-proxy agent`: a real Envoy under the control plane, as Istio's agent runs it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use tokio::signal::unix::{SignalKind, signal};
use weft_agent::envoy::Orders;
use weft_agent::node::Role;
use weft_agent::run::{AgentConfig, WORKLOAD_SOCKET, run as run_agent};
use weft_agent::settings::{Flags, POD_LABELS, Settings};

use crate::{program, serving};

/// Flags of the subcommand.
#[derive(Debug, clap::Args)]
pub(crate) struct AgentFlags {
    /// The Envoy program.
    #[arg(long, value_name = "PATH")]
    envoy: PathBuf,

    /// Be a gateway.
    #[arg(long)]
    router: bool,

    #[command(flatten)]
    shared: Flags,
}

/// Runs Envoy until it ends or we are told to (SIGTERM, SIGINT; a second one ends it at once); the exit
/// code is Envoy's.
///
/// # Errors
/// The settings are not complete, Envoy cannot be started, or a socket cannot be opened. A control plane
/// that is not there is waited for.
pub(crate) fn run(flags: AgentFlags) -> anyhow::Result<ExitCode> {
    let AgentFlags { envoy, router, shared } = flags;
    let environment: BTreeMap<String, String> = std::env::vars().collect();
    let labels = std::fs::read_to_string(POD_LABELS).ok();
    let role = if router { Role::Router } else { Role::Sidecar };
    let settings = Settings::resolve(shared, role, &environment, labels.as_deref())?;
    program::log(&settings.log_level);
    weft_net::rlimit::raise_open_files().ok();
    let seed = serving::seed(0);
    let workload_socket = PathBuf::from(WORKLOAD_SOCKET);
    let config = AgentConfig { settings, envoy, workload_socket, environment, seed };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let code = runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let orders = Orders::new();
        let giver = orders.giver();
        tokio::spawn(async move {
            loop {
                tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
                // Two orders that wait already say all there is to say.
                let _ = giver.try_send(());
            }
        });
        run_agent(config, orders).await.map_err(anyhow::Error::from)
    })?;
    Ok(ExitCode::from(code))
}
