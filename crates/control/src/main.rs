//! The program.

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Parser as _;
use tokio::signal::unix::{SignalKind, signal};
use weft_control::Settings;

fn main() -> ExitCode {
    match run(Settings::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "weftd: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(settings: Settings) -> Result<()> {
    let level = directives(&settings.log_level);
    let filter = tracing_subscriber::EnvFilter::try_new(&level).context("--log-level")?;
    let colours = std::io::stderr().is_terminal();
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if settings.log_json {
        lines.json().init();
    } else {
        lines.with_ansi(colours).init();
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        // Before anything listens, so that no signal falls between.
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let weftd = weft_control::start(settings).await?;
        let _ = writeln!(std::io::stderr(), "weftd: ready, grpc {}, http {}", weftd.grpc, weftd.http);
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        weftd.stop().await;
        Ok(())
    })
}

/// Istio's `scope:level,…` in our form: only the scope `default` means anything here.
fn directives(text: &str) -> String {
    if !text.contains(':') || text.contains("::") {
        return text.to_owned();
    }
    let scopes = text.split(',').filter_map(|part| part.trim().split_once(':'));
    let level =
        scopes.into_iter().find(|(scope, _)| matches!(*scope, "default" | "all")).map(|(_, level)| level);
    match level {
        Some("none") => "off".to_owned(),
        Some("fatal") => "error".to_owned(),
        Some(level) => level.to_owned(),
        None => "warn".to_owned(),
    }
}
