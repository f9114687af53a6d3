//! Workloads come and go: their objects and tokens in the run folder.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Read as _;
use std::net::Ipv4Addr;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::{RunFolder, locks, write_private};
use crate::address::Block;
use crate::workload::{self, Workload};

/// A workload that the mesh knows, until [`RunFolder::remove_workload`] or the death of this process.
#[derive(Debug)]
pub(crate) struct Registered {
    /// Name of the pod.
    pub(crate) name: String,
    /// File with its token.
    pub(crate) token: PathBuf,
    _alive: File,
}

impl RunFolder {
    /// Adds a workload at a free pod address, which `make` is given.
    ///
    /// # Errors
    /// If the name is taken, no address is left or nothing can be written.
    pub(crate) fn add_workload(
        &self,
        block: Block,
        make: impl FnOnce(Ipv4Addr) -> Workload,
    ) -> Result<(Workload, Registered)> {
        let _edit = self.edit()?;
        let taken = self.pods().iter().filter_map(|pod| pod.address).collect::<BTreeSet<_>>();
        let workload = make(block.next(&taken)?);
        let registered = self.register(&workload)?;
        Ok((workload, registered))
    }

    /// Adds a workload that has its address already.
    ///
    /// # Errors
    /// If the name is taken or nothing can be written.
    pub(crate) fn add(&self, workload: &Workload) -> Result<Registered> {
        let _edit = self.edit()?;
        self.register(workload)
    }

    /// Writes a workload's Pod anew, after it has become ready.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(crate) fn update(&self, workload: &Workload) -> Result<()> {
        write_private(&self.pod_file(&workload.name), &pretty(&workload.pod()))
    }

    /// Adds a Service.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(crate) fn add_service(&self, name: &str, service: &Value) -> Result<()> {
        let _edit = self.edit()?;
        write_private(&self.objects().join(format!("service-{name}.json")), &pretty(service))
    }

    /// Removes a workload, and the Service that was made for it if no other one is behind it.
    ///
    /// # Errors
    /// If the folder cannot be changed.
    pub(crate) fn remove_workload(&self, name: &str) -> Result<()> {
        let _edit = self.edit()?;
        self.unregister(name)
    }

    /// Removes workloads whose `weft run` died without a word; their names.
    pub(crate) fn remove_dead(&self) -> Vec<String> {
        let Ok(_edit) = self.edit() else { return Vec::new() };
        let dead =
            self.pods().into_iter().map(|pod| pod.name).filter(|name| !locks::is_held(&self.lock(name)));
        dead.filter(|name| self.unregister(name).is_ok()).collect()
    }

    /// The pods in the run folder, by name.
    #[must_use]
    pub(crate) fn pods(&self) -> Vec<Pod> {
        let entries = fs::read_dir(self.objects()).into_iter().flatten().flatten();
        let mut pods: Vec<Pod> = entries
            .filter(|entry| entry.file_name().to_string_lossy().starts_with("pod-"))
            .filter_map(|entry| Pod::read(&serde_json::from_slice(&fs::read(entry.path()).ok()?).ok()?))
            .collect();
        pods.sort_by(|a, b| a.name.cmp(&b.name));
        pods
    }

    fn register(&self, workload: &Workload) -> Result<Registered> {
        let name = &workload.name;
        if self.pod_file(name).exists() {
            bail!("a workload named {name} runs in this mesh already");
        }
        let alive = locks::hold(&self.lock(name))?;
        let token = random_token()?;
        let file = self.path.join("tokens").join(name);
        write_private(&file, &token)?;
        let mut tokens = fs::read_to_string(self.tokens()).context("cannot read the mesh's tokens")?;
        // kube-apiserver's static token file: token, user, uid.
        let _ = writeln!(tokens, "{token},{},{name}", workload.user());
        write_private(&self.tokens(), &tokens)?;
        self.update(workload)?;
        Ok(Registered { name: name.clone(), token: file, _alive: alive })
    }

    fn unregister(&self, name: &str) -> Result<()> {
        fs::remove_file(self.pod_file(name)).with_context(|| format!("cannot remove the pod {name}"))?;
        let tokens = fs::read_to_string(self.tokens()).context("cannot read the mesh's tokens")?;
        let kept = tokens.lines().filter(|line| line.rsplit(',').next() != Some(name));
        write_private(&self.tokens(), &kept.map(|line| format!("{line}\n")).collect::<String>())?;
        let _ = fs::remove_file(self.path.join("tokens").join(name));
        let _ = fs::remove_file(self.lock(name));
        self.remove_idle_services();
        Ok(())
    }

    fn remove_idle_services(&self) {
        let pods = self.pods();
        for entry in fs::read_dir(self.objects()).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let service = name.strip_prefix("service-").and_then(|name| name.strip_suffix(".json"));
            // The gateway's stays as long as the mesh.
            if let Some(service) = service
                && service != workload::GATEWAY
                && !pods.iter().any(|pod| pod.app == service)
            {
                let _ = fs::remove_file(entry.path());
            }
        }
    }

    fn edit(&self) -> Result<File> {
        locks::wait(&self.path.join("edit"))
    }

    fn pod_file(&self, name: &str) -> PathBuf {
        self.objects().join(format!("pod-{name}.json"))
    }

    fn lock(&self, name: &str) -> PathBuf {
        self.path.join("tokens").join(format!(".{name}.alive"))
    }
}

/// What the view and the list of addresses need of a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pod {
    /// Name.
    pub(crate) name: String,
    /// Label `app`.
    pub(crate) app: String,
    /// Label `version`.
    pub(crate) version: String,
    /// Address.
    pub(crate) address: Option<Ipv4Addr>,
}

impl Pod {
    fn read(object: &Value) -> Option<Self> {
        let metadata = &object["metadata"];
        let label = |name: &str| metadata["labels"][name].as_str().unwrap_or_default().to_owned();
        Some(Self {
            name: metadata["name"].as_str()?.to_owned(),
            app: label("app"),
            version: label("version"),
            address: object["status"]["podIP"].as_str().and_then(|ip| ip.parse().ok()),
        })
    }
}

fn pretty(object: &Value) -> String {
    format!("{object:#}\n")
}

/// 256 bits from the operating system.
fn random_token() -> Result<String> {
    let mut bytes = [0; 32];
    let source = File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes));
    source.context("no randomness from /dev/urandom")?;
    Ok(bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    }))
}
