//! Real Envoy at one end.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A running Envoy, ended when dropped.
pub(crate) struct Envoy {
    child: Child,
    _dir: tempfile::TempDir,
}

fn program() -> PathBuf {
    if let Some(path) = std::env::var_os("WEFT_ENVOY") {
        return path.into();
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools/venv/bin/envoy");
    assert!(path.exists(), "no Envoy to test with: run `cargo xtask tools`, or set WEFT_ENVOY to its path");
    path
}

impl Envoy {
    /// Starts it with a bootstrap, and waits until something listens on `port`.
    pub(crate) fn start(bootstrap: &str, port: u16) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("envoy.yaml");
        std::fs::write(&path, bootstrap).unwrap();
        let child = Command::new(program())
            .arg("-c")
            .arg(&path)
            .args(["--concurrency", "1", "--disable-hot-restart", "-l", "error"])
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut envoy = Self { child, _dir: dir };
        let deadline = Instant::now() + Duration::from_secs(20);
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < deadline, "Envoy is not ready in time");
            assert!(envoy.child.try_wait().unwrap().is_none(), "Envoy ended at start:\n{bootstrap}");
            std::thread::sleep(Duration::from_millis(50));
        }
        envoy
    }
}

impl Drop for Envoy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
