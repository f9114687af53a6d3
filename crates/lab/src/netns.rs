//! Hosts as Linux network namespaces, joined by veth, with Istio's redirection. Needs root: that it is
//! missing is a failure, never a reason to skip.
//!
//! ```text
//! namespace client                                  namespace server
//! program ─► OUTPUT ─ REDIRECT 15001 ─► proxy (uid 1337) ─veth─► program
//! ```
//!
//! Names are unique to this process, and only what was made here is deleted.

use anyhow::{Context, Result, bail};
use nix::sched::{CloneFlags, setns};
use std::fs::File;
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// User and group of a sidecar, whose own traffic is not redirected.
pub const PROXY_UID: u32 = 1337;
/// Where a sidecar receives what the workload sends.
pub const OUTBOUND_PORT: u16 = 15001;
/// Where a sidecar receives what is sent to the workload.
pub const INBOUND_PORT: u16 = 15006;

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// A network namespace; dropping it deletes it with its interfaces.
#[derive(Debug)]
pub struct Host {
    name: String,
    /// Its address on the link.
    pub address: IpAddr,
}

/// Two hosts on one link, each the other's default route, so that an address that nobody has still
/// leaves the machine.
///
/// # Errors
/// Without root, or when `ip` fails.
pub fn pair() -> Result<(Host, Host)> {
    if !nix::unistd::geteuid().is_root() {
        bail!("network namespaces need root");
    }
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let link = format!("w{}n{number}", std::process::id());
    let one = Host::make(&format!("weft-{link}-a"), [10, 77, 0, 1])?;
    let other = Host::make(&format!("weft-{link}-b"), [10, 77, 0, 2])?;
    // Made inside the first namespace, so that names on this machine cannot collide.
    let (near, far) = ("eth0", "peer0");
    ip(&["-n", &one.name, "link", "add", near, "type", "veth", "peer", "name", far])?;
    ip(&["-n", &one.name, "link", "set", far, "netns", &other.name])?;
    ip(&["-n", &other.name, "link", "set", far, "name", near])?;
    for (host, gateway) in [(&one, &other), (&other, &one)] {
        ip(&["-n", &host.name, "address", "add", &format!("{}/24", host.address), "dev", near])?;
        ip(&["-n", &host.name, "link", "set", near, "up"])?;
        ip(&["-n", &host.name, "link", "set", "lo", "up"])?;
        ip(&["-n", &host.name, "route", "add", "default", "via", &gateway.address.to_string()])
            .or_else(|_| ip(&["-n", &host.name, "route", "replace", "default", "dev", near]))?;
    }
    Ok((one, other))
}

/// Hosts on one bridge, as pods on one node: each reaches every other, and the bridge's own address is
/// the default route, so that the virtual address of a service leaves the host.
#[derive(Debug)]
pub struct Network {
    hub: Host,
    number: u32,
    next: std::cell::Cell<u8>,
}

impl Network {
    /// An empty network.
    ///
    /// # Errors
    /// Without root, or when `ip` fails.
    pub fn make() -> Result<Self> {
        if !nix::unistd::geteuid().is_root() {
            bail!("network namespaces need root");
        }
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let hub = Host::make(&format!("weft-w{}n{number}-hub", std::process::id()), [10, 77, 0, 254])?;
        ip(&["-n", &hub.name, "link", "add", "br0", "type", "bridge"])?;
        ip(&["-n", &hub.name, "address", "add", "10.77.0.254/24", "dev", "br0"])?;
        ip(&["-n", &hub.name, "link", "set", "br0", "up"])?;
        ip(&["-n", &hub.name, "link", "set", "lo", "up"])?;
        Ok(Self { hub, number, next: std::cell::Cell::new(1) })
    }

    /// The host of the bridge, which sees all that passes.
    pub fn hub(&self) -> &Host {
        &self.hub
    }

    /// One more host, with the next address.
    ///
    /// # Errors
    /// When the network is full, or `ip` fails.
    pub fn host(&self) -> Result<Host> {
        let last = self.next.get();
        if last > 250 {
            bail!("the network is full");
        }
        self.next.set(last + 1);
        let host =
            Host::make(&format!("weft-w{}n{}-h{last}", std::process::id(), self.number), [10, 77, 0, last])?;
        let port = format!("p{last}");
        ip(&["-n", &host.name, "link", "add", "eth0", "type", "veth", "peer", "name", &port])?;
        ip(&["-n", &host.name, "link", "set", &port, "netns", &self.hub.name])?;
        ip(&["-n", &self.hub.name, "link", "set", &port, "master", "br0", "up"])?;
        ip(&["-n", &host.name, "address", "add", &format!("{}/24", host.address), "dev", "eth0"])?;
        ip(&["-n", &host.name, "link", "set", "eth0", "up"])?;
        ip(&["-n", &host.name, "link", "set", "lo", "up"])?;
        ip(&["-n", &host.name, "route", "add", "default", "via", &self.hub.address.to_string()])?;
        Ok(host)
    }
}

impl Host {
    /// Gives the programs on this host an `/etc/hosts` of their own.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn set_hosts(&self, text: &str) -> Result<()> {
        let folder = format!("/etc/netns/{}", self.name);
        std::fs::create_dir_all(&folder).with_context(|| folder.clone())?;
        std::fs::write(format!("{folder}/hosts"), text).context(folder)
    }

    fn make(name: &str, address: [u8; 4]) -> Result<Self> {
        ip(&["netns", "add", name])?;
        Ok(Host { name: name.to_owned(), address: IpAddr::V4(Ipv4Addr::from(address)) })
    }

    /// A command that will run inside, as `uid` if given. The pid of the child is the program's own:
    /// both wrappers replace themselves by it.
    pub fn command(&self, program: &str, uid: Option<u32>) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name]);
        if let Some(uid) = uid {
            command.args(["setpriv", &format!("--reuid={uid}"), &format!("--regid={uid}"), "--clear-groups"]);
        }
        command.arg(program);
        command
    }

    /// Runs `body` on a thread of its own inside: the sockets that it makes belong to this host, also
    /// when they are used elsewhere later.
    ///
    /// # Errors
    /// When the namespace cannot be entered, or `body` fails or panics.
    pub fn enter<T: Send>(&self, body: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        Self::enter_named(&self.name, body)
    }

    /// As [`Self::enter`], by name, for tasks that outlive a borrow of the host.
    ///
    /// # Errors
    /// As [`Self::enter`].
    pub fn enter_named<T: Send>(name: &str, body: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        std::thread::scope(|scope| {
            let inside = scope.spawn(|| {
                let namespace = File::open(format!("/run/netns/{name}"))?;
                setns(namespace, CloneFlags::CLONE_NEWNET).context("entering the namespace")?;
                body()
            });
            inside.join().map_err(|_| anyhow::anyhow!("panic inside {name}"))?
        })
    }

    /// Kills whatever runs inside, at once: programs of the test, and children that outlived them.
    pub fn kill_all(&self) {
        let listed = Command::new("ip").args(["netns", "pids", &self.name]).output();
        let pids = listed.map(|out| String::from_utf8_lossy(&out.stdout).into_owned()).unwrap_or_default();
        for pid in pids.split_whitespace().filter_map(|word| word.parse().ok()) {
            let _ =
                nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL);
        }
    }

    /// The namespace's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Redirects TCP as Istio does for a pod: what others send to 15006, what the workload sends to
    /// 15001, and leaves alone what the proxy itself sends.
    ///
    /// # Errors
    /// When `iptables-restore` refuses a rule.
    pub fn redirect(&self) -> Result<()> {
        // The hosts have no addresses of IPv6.
        let settings = weft_redirect::Settings { ipv6: false, ..weft_redirect::Settings::default() };
        let rules = weft_redirect::iptables::text(&settings, weft_redirect::Family::V4, "");
        self.feed("iptables-restore", &["--noflush", "-w"], &rules)
    }

    /// Runs a program inside that reads `text`.
    ///
    /// # Errors
    /// When it cannot be started, or fails; with what it said.
    pub fn feed(&self, program: &str, words: &[&str], text: &str) -> Result<()> {
        let mut command = self.command(program, None);
        let mut child =
            command.args(words).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
        // Who refuses the first lines does not read the rest, and says why.
        let _ = child.stdin.take().map(|mut input| input.write_all(text.as_bytes()));
        let done = child.wait_with_output()?;
        if !done.status.success() {
            bail!("{program} {}: {}", words.join(" "), String::from_utf8_lossy(&done.stderr).trim());
        }
        Ok(())
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.kill_all();
        let _ = ip(&["netns", "delete", &self.name]);
        // Only there if `set_hosts` made it.
        let _ = std::fs::remove_dir_all(format!("/etc/netns/{}", self.name));
    }
}

fn ip(words: &[&str]) -> Result<()> {
    run("ip", words)
}

fn run(program: &str, words: &[&str]) -> Result<()> {
    let done = Command::new(program).args(words).output().with_context(|| format!("starting {program}"))?;
    if !done.status.success() {
        bail!("{program} {}: {}", words.join(" "), String::from_utf8_lossy(&done.stderr).trim());
    }
    Ok(())
}
