//! `weft-proxy agent`: a real Envoy under the control plane, as Istio's agent runs it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::unistd::getppid;
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

/// Names the Envoy that `weft-proxy sidecar` and `router` are to run in place of serving themselves: set in images
/// that pods name as their sidecar's (AN-09).
const ENVOY: &str = "WEFT_AGENT_ENVOY";

impl AgentFlags {
    /// The same flags for Envoy, if the environment asks for it.
    pub(crate) fn in_place_of(shared: &Flags, role: Role) -> Option<Self> {
        let envoy = std::env::var_os(ENVOY).filter(|path| !path.is_empty())?;
        Some(Self { envoy: envoy.into(), router: role == Role::Router, shared: shared.clone() })
    }
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
    let launcher = launcher()?;
    let config = AgentConfig { settings, envoy, launcher, workload_socket, environment, seed };
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

/// Flags of the hidden subcommand that stands between the agent and Envoy for a moment.
#[derive(Debug, clap::Args)]
pub(crate) struct EndWithParent {
    /// Process id of the agent.
    #[arg(long)]
    parent: i32,

    /// The program and its arguments.
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<OsString>,
}

/// What stands before Envoy's own command: this program, which asks the kernel to end it with the agent,
/// lest an agent that is killed leave an Envoy with its ports behind.
fn launcher() -> anyhow::Result<Vec<OsString>> {
    let own = std::env::current_exe().context("cannot find this program's own file")?;
    let parent = std::process::id().to_string();
    Ok(vec![own.into(), "end-with-parent".into(), "--parent".into(), parent.into(), "--".into()])
}

/// Becomes the program; the order to end with the parent stays.
///
/// # Errors
/// The parent has ended already, or the program cannot be run.
pub(crate) fn end_with_parent(flags: EndWithParent) -> anyhow::Result<ExitCode> {
    let EndWithParent { parent, command } = flags;
    set_pdeathsig(Signal::SIGTERM).context("the kernel does not take the order to end with the agent")?;
    anyhow::ensure!(getppid().as_raw() == parent, "the agent has ended already");
    let Some((program, arguments)) = command.split_first() else { anyhow::bail!("no program is named") };
    let error = std::process::Command::new(program).args(arguments).exec();
    Err(error).with_context(|| format!("cannot start Envoy {}; name it with --envoy", program.display()))
}
