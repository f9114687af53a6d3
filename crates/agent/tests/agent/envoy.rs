//! Real Envoy as a child process.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::{Child, Command};

/// Where real Envoy is: `WEFT_ENVOY`, else under `target/tools`.
pub(crate) fn binary() -> PathBuf {
    let path = std::env::var_os("WEFT_ENVOY").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools/venv/bin/envoy"),
        PathBuf::from,
    );
    assert!(path.exists(), "no Envoy at {}: set WEFT_ENVOY, or run `cargo xtask tools`", path.display());
    path
}

/// A port that nobody has now.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Runs Envoy with a configuration until dropped.
pub(crate) fn start(folder: &Path, config: &str) -> Child {
    let file = folder.join("envoy.json");
    std::fs::write(&file, config).unwrap();
    Command::new(binary())
        .arg("-c")
        .arg(&file)
        .args(["--concurrency", "1", "--disable-hot-restart", "-l", "warn"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(folder.join("envoy.log")).unwrap())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

/// Whether Envoy takes a configuration; else what it says.
pub(crate) async fn validate(folder: &Path, config: &str) -> Result<(), String> {
    let file = folder.join("envoy.json");
    std::fs::write(&file, config).unwrap();
    let running = Command::new(binary())
        .arg("-c")
        .arg(&file)
        .args(["--mode", "validate", "-l", "error"])
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(Duration::from_secs(60), running).await.unwrap().unwrap();
    if output.status.success() {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout))
}
