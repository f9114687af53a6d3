//! From the command line to a service, and its end by signal.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

use crate::{Options, Server, StartError};

/// The program `weft-bookinfo`: one service until SIGTERM or SIGINT, then requests under way are answered
/// and it ends with 0. Says on standard output where it listens; `RUST_LOG` filters its log.
#[must_use]
pub fn main() -> ExitCode {
    let options = Options::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    let colors = std::io::stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colors).with_writer(std::io::stderr).init();
    let outcome = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(StartError::Runtime)
        .and_then(|runtime| runtime.block_on(serve(&options)));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The log may be filtered away; why a program does not start may not.
            let _ = writeln!(std::io::stderr(), "weft-bookinfo: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(options: &Options) -> Result<(), StartError> {
    // Before the port opens: who sees it open may end us at once.
    let mut terminate = signal(SignalKind::terminate()).map_err(StartError::Runtime)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(StartError::Runtime)?;
    let server = Server::bind(options).await?;
    // A closed standard output is no reason not to serve.
    let _ =
        writeln!(std::io::stdout(), "{} {} at http://{}", options.service, options.version, server.address());
    let delay = options.shutdown_delay;
    server
        .run(async move {
            tokio::select! {
                _ = terminate.recv() => {
                    tokio::select! {
                        () = tokio::time::sleep(delay) => {}
                        _ = terminate.recv() => {}
                        _ = interrupt.recv() => {}
                    }
                }
                _ = interrupt.recv() => {}
            }
        })
        .await;
    Ok(())
}
