//! `cargo xtask cluster`: a real Kubernetes of one node on this machine, for tests. What runs is built from Debian
//! packages and Go modules and kept under `target/cluster`; `tests/cluster` has the scripts.

use crate::images::archive::{self, Entry, Image};
use crate::images::{self, with_libraries};
use crate::shell::{command, must};
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const SCRIPTS: &str = "tests/cluster";
/// Istio's own Bookinfo, beside this repository; without it the tests' own objects say the same.
const SAMPLE: &str = "../shared/data/bookinfo";

/// What to do with the cluster.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Builds what lacks.
    Build,
    /// Builds what lacks and starts a fresh cluster.
    Up {
        /// Only etcd and the API server.
        #[arg(long)]
        api: bool,
        /// Folder of image archives, as `cargo xtask images` writes them, for the cluster's runtime.
        #[arg(long, value_name = "DIR")]
        images: Option<PathBuf>,
        /// How kube-proxy sets its rules: iptables or nftables.
        #[arg(long, default_value = "iptables")]
        proxy_mode: String,
    },
    /// Gives image archives to a running cluster.
    Load {
        /// Folder of archives.
        images: PathBuf,
    },
    /// The charts on a running cluster, by Helm 3 and 4.
    Charts {
        /// Waits for the control plane's pods too; the cluster must have its image.
        #[arg(long)]
        wait: bool,
    },
    /// The control plane on an API server of its own: starts it alone, and takes it down.
    Source {
        /// Takes the program as it was built.
        #[arg(long)]
        built: bool,
    },
    /// Bookinfo as a user installs it, from nothing: images, a cluster, charts, load; and takes it down.
    Bookinfo(Bookinfo),
    /// Source and Bookinfo, one after the other.
    Suite(Bookinfo),
    /// Stops the cluster and throws its state away.
    Down,
}

/// How much of Bookinfo.
#[derive(Debug, clap::Args)]
struct Bookinfo {
    /// Build profile of the programs in the images.
    #[arg(long, default_value = "dev")]
    profile: String,
    /// Rolling restarts under load.
    #[arg(long, default_value_t = 5)]
    restarts: u32,
    /// Changes of routes under load.
    #[arg(long, default_value_t = 5)]
    changes: u32,
    /// Requests a second of the load.
    #[arg(long, default_value_t = 60)]
    rate: u32,
    /// Jobs with sidecars.
    #[arg(long, default_value_t = 3)]
    jobs: u32,
    /// Also with real Envoy as sidecars.
    #[arg(long)]
    envoy: bool,
    /// Takes the programs as they were built.
    #[arg(long)]
    built: bool,
    /// The charts' lives too, by Helm 3 and 4.
    #[arg(long)]
    charts: bool,
    /// Once more with the chart cni, so that pods need no rights.
    #[arg(long)]
    cni: bool,
    /// Leaves the cluster up.
    #[arg(long)]
    keep: bool,
}

/// Runs one of the commands.
pub(crate) fn run(options: &Options) -> Result<()> {
    match &options.what {
        What::Build => build(),
        What::Up { api, images, proxy_mode } => up(*api, images.as_deref(), proxy_mode),
        What::Load { images } => load(images),
        What::Charts { wait } => charts(*wait),
        What::Source { built } => source(*built),
        What::Bookinfo(how) => bookinfo(how),
        What::Suite(how) => {
            // What the one says does not keep the other from speaking.
            let sourced = source(how.built);
            bookinfo(how).and(sourced)
        }
        What::Down => must(script("down.sh")?),
    }
}

fn charts(wait: bool) -> Result<()> {
    let mut charts = script("charts.sh")?;
    charts.env("WAIT", if wait { "--wait" } else { "" });
    must(charts)
}

fn source(built: bool) -> Result<()> {
    if !built {
        must(command(&["cargo", "build", "-p", "weft-control", "-p", "weft-proxy"]))?;
    }
    up(true, None, "iptables")?;
    let run = |name: &str| {
        let mut tests = script(name)?;
        tests.env("WEFTD", std::path::absolute(images::built("dev", "weftd"))?);
        tests.env("WEFT_PROXY", std::path::absolute(images::built("dev", "weft-proxy"))?);
        must(tests)
    };
    let outcome = run("source.sh").and_then(|()| run("writers.sh"));
    must(script("down.sh")?)?;
    outcome
}

fn bookinfo(how: &Bookinfo) -> Result<()> {
    let archives = home()?.join("images");
    images::write(&images::Options::of(&archives, &how.profile, how.built))?;
    write_curl(&archives)?;
    if how.envoy {
        write_envoy(&archives, &how.profile)?;
    }
    up(false, Some(&archives), "iptables")?;
    let mut tests = script("bookinfo.sh")?;
    for (name, number) in
        [("RESTARTS", how.restarts), ("CHANGES", how.changes), ("RATE", how.rate), ("JOBS", how.jobs)]
    {
        tests.env(name, number.to_string());
    }
    for (name, wanted) in [("ENVOY", how.envoy), ("CNI", how.cni)] {
        if wanted {
            tests.env(name, "yes");
        }
    }
    // The sample's own files, where they are there.
    let sample = Path::new(SAMPLE);
    if sample.exists() {
        tests.env("BOOKINFO", std::path::absolute(sample)?);
    }
    let mut outcome = must(tests);
    if how.charts && outcome.is_ok() {
        outcome = charts(true);
    }
    if !how.keep {
        must(script("down.sh")?)?;
    }
    outcome
}

/// A client for Jobs: this machine's curl.
fn write_curl(folder: &Path) -> Result<()> {
    let at = "/usr/bin/curl".to_owned();
    let mut entries = BTreeMap::new();
    with_libraries(&mut entries, Path::new(&at), Path::new(&at))?;
    let image = Image {
        name: "localhost/weft-test/curl:1".to_owned(),
        user: "1000:1000".to_owned(),
        entrypoint: vec![at],
        environment: Vec::new(),
        entries,
    };
    archive::write(&image, &folder.join("curl.tar")).map(drop)
}

/// Real Envoy with our agent, to be named by pods as their sidecars' image.
fn write_envoy(folder: &Path, profile: &str) -> Result<()> {
    let mut entries = BTreeMap::new();
    let (agent, envoy) = ("/usr/local/bin/weft-proxy", "/usr/local/bin/envoy");
    with_libraries(&mut entries, &images::built(profile, "weft-proxy"), Path::new(agent))?;
    with_libraries(&mut entries, &crate::tools::envoy_program()?, Path::new(envoy))?;
    let image = Image {
        name: "localhost/weft-test/envoy:1".to_owned(),
        user: "1337:1337".to_owned(),
        entrypoint: vec![agent.to_owned()],
        // The injector mounts a folder in memory there; nothing else can be written.
        environment: vec![format!("WEFT_AGENT_ENVOY={envoy}"), "TMPDIR=/etc/istio/proxy".to_owned()],
        entries,
    };
    archive::write(&image, &folder.join("envoy.tar")).map(drop)
}

/// Where everything is kept.
pub(crate) fn home() -> Result<PathBuf> {
    let home =
        std::env::var_os("CLUSTER_HOME").map_or_else(|| PathBuf::from("target/cluster"), PathBuf::from);
    let home = std::path::absolute(home)?;
    // Kubelet and containerd put Unix sockets below it, whose paths end at 107 bytes.
    if home.as_os_str().len() > 70 {
        bail!("{} is too long a path for sockets; set CLUSTER_HOME to a shorter one", home.display());
    }
    Ok(home)
}

fn script(name: &str) -> Result<std::process::Command> {
    let mut script = command(&["bash", &format!("{SCRIPTS}/{name}")]);
    script.env("CLUSTER_HOME", home()?);
    Ok(script)
}

fn build() -> Result<()> {
    must(script("build.sh")?)?;
    let home = home()?;
    let images = home.join("img");
    std::fs::create_dir_all(&images)?;
    for name in ["pause", "coredns"] {
        let program = home.join("bin").join(name);
        let at = format!("/{name}");
        let image = Image {
            name: format!("localhost/weft-test/{name}:1"),
            // CoreDNS opens port 53.
            user: if name == "coredns" { "0:0" } else { "65534:65534" }.to_owned(),
            entrypoint: vec![at.clone()],
            environment: Vec::new(),
            entries: BTreeMap::from([(at, Entry::File(program))]),
        };
        archive::write(&image, &images.join(format!("{name}.tar")))?;
    }
    Ok(())
}

fn up(api: bool, images: Option<&Path>, proxy_mode: &str) -> Result<()> {
    build()?;
    let mut up = script("up.sh")?;
    up.env("PROXY_MODE", proxy_mode);
    if api {
        up.arg("api");
    }
    must(up)?;
    images.map_or(Ok(()), load)
}

/// Imports archives into the cluster's container runtime.
fn load(images: &Path) -> Result<()> {
    let socket = home()?.join("run/containerd.sock").display().to_string();
    let folder = std::fs::read_dir(images).with_context(|| format!("reading {}", images.display()))?;
    let mut archives: Vec<PathBuf> =
        folder.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect();
    archives.retain(|path| path.extension().is_some_and(|end| end == "tar"));
    archives.sort();
    for path in archives {
        must(command(&[
            "ctr",
            "-a",
            &socket,
            "-n",
            "k8s.io",
            "images",
            "import",
            &path.display().to_string(),
        ]))?;
    }
    Ok(())
}
