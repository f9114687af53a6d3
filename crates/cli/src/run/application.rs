//! The user's own program, as a child in our terminal.

use std::collections::BTreeSet;
use std::io::IsTerminal as _;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{ExitCode, ExitStatus};
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::{Child, Command};
use tokio::time::Instant;

use crate::args::RunArgs;
use crate::child;
use crate::launch::Launcher;
use crate::listening::{self, Listening};
use crate::proxies;
use crate::signals::Caught;
use crate::workload::Workload;

/// How long it may take to end when it is refused.
const PATIENCE: Duration = Duration::from_secs(3);

/// Time after which no further listening socket is expected of it.
const SETTLED: Duration = Duration::from_secs(1);

/// The program.
#[derive(Debug)]
pub(super) struct Application {
    child: Child,
    pid: u32,
    /// The port given to it, and the Service's.
    ports: (u16, u16),
    start: Instant,
}

impl Application {
    /// Starts it with our terminal, our environment and what the mesh adds.
    pub(super) fn start(
        args: &RunArgs,
        workload: &Workload,
        services: Vec<(String, String)>,
        port: u16,
    ) -> Result<Self> {
        let (program, arguments) = args.command.split_first().context("no program to run")?;
        let mut command = Command::from(Launcher::own().command(Path::new(program)));
        command.args(arguments).envs(services).envs(proxies::way_into_mesh(workload));
        command.env("PORT", port.to_string()).kill_on_drop(true);
        let child = command.spawn().context("cannot start the program")?;
        let pid = child.id().context("the program ended at once")?;
        Ok(Self { child, pid, ports: (port, args.port), start: Instant::now() })
    }

    /// Its exit code once it has ended; 128 and the signal's number if a signal ended it, as in shells.
    pub(super) async fn ended(&mut self) -> Result<ExitCode> {
        let status = self.child.wait().await.context("cannot wait for the program")?;
        Ok(code(status))
    }

    /// Passes a signal on. Ctrl-C in a terminal has reached it already, with us.
    pub(super) fn forward(&self, signal: Caught) {
        if !(signal.is_from_keys() && std::io::stdin().is_terminal()) {
            child::send(&self.child, signal.signal());
        }
    }

    /// The port of 127.0.0.1 where it, or a descendant, awaits the sidecar; see [`choose`].
    pub(super) fn listening_port(&self) -> Option<u16> {
        let sockets = self.sockets();
        let local = sockets.iter().filter(|socket| socket.address.ip().to_canonical() == Ipv4Addr::LOCALHOST);
        choose(&local.map(|socket| socket.address.port()).collect(), self.ports, self.start.elapsed())
    }

    /// A socket of it that takes connections from everywhere.
    pub(super) fn wildcard(&self) -> Option<Listening> {
        self.sockets().into_iter().find(Listening::is_wildcard)
    }

    /// Ends it and its descendants.
    pub(super) async fn end(&mut self) {
        let family = listening::family(self.pid);
        for signal in [Signal::SIGTERM, Signal::SIGKILL] {
            for pid in family.iter().filter_map(|pid| i32::try_from(*pid).ok()) {
                let _ = kill(Pid::from_raw(pid), signal);
            }
            if tokio::time::timeout(PATIENCE, self.child.wait()).await.is_ok() {
                return;
            }
        }
    }

    pub(super) fn what_is_awaited(&self) -> String {
        let elsewhere: Vec<String> = self.sockets().iter().map(|socket| socket.address.to_string()).collect();
        let found = match elsewhere.as_slice() {
            [] => "it listens nowhere".to_owned(),
            some => format!("it listens on {}", some.join(", ")),
        };
        format!(
            "the program does not listen on 127.0.0.1:{} yet ({found}); it must take the port from its variable \
             PORT, or tell its own with --app-port",
            self.ports.0
        )
    }

    fn sockets(&self) -> Vec<Listening> {
        listening::sockets_of(self.pid)
    }
}

/// Which of the ports where a program listens is meant: the one that it was given; else, for a program that
/// looks at no variable, the Service's own; else its only one, after a moment in which others may appear.
fn choose(open: &BTreeSet<u16>, (given, service): (u16, u16), age: Duration) -> Option<u16> {
    let only = (open.len() == 1 && age > SETTLED).then(|| open.first().copied()).flatten();
    [given, service].into_iter().find(|port| open.contains(port)).or(only)
}

fn code(status: ExitStatus) -> ExitCode {
    use std::os::unix::process::ExitStatusExt as _;
    let number = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    ExitCode::from(u8::try_from(number).unwrap_or(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_need_not_look_at_its_variable() {
        let (young, old) = (Duration::from_millis(100), Duration::from_secs(2));
        let choose = |open: &[u16], age| choose(&open.iter().copied().collect(), (20_000, 8000), age);
        assert_eq!(choose(&[7000, 8000, 20_000], young), Some(20_000));
        assert_eq!(choose(&[7000, 8000], young), Some(8000));
        assert_eq!(choose(&[7000], young), None);
        assert_eq!(choose(&[7000], old), Some(7000));
        assert_eq!(choose(&[7000, 7001], old), None);
        assert_eq!(choose(&[], old), None);
    }
}
