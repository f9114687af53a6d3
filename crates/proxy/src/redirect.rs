//! `weft-proxy redirect`: sets the rules by which a pod's connections come to its proxy.
//!
//! Flags are those of Istio's tool (SD-04), so that an init container of either form says the same. The rules are
//! made by `weft-redirect`; here they are only given to `iptables-restore` or `nft`.

use std::io::{ErrorKind, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use weft_redirect::settings::{interfaces, list, ports, ranges};
use weft_redirect::{Dns, Family, Mode, Ports, Ranges, Settings, iptables, nft, routing};

use crate::program::say;

/// Exit code by which the CNI's repair knows a pod without redirection (SD-05).
const NOT_REDIRECTED: u8 = 126;
/// Port that nobody listens on, for the trial (SD-01).
const PROBE: u16 = 15002;
/// Servers of DNS that this host asks.
const RESOLV_CONF: &str = "/etc/resolv.conf";
/// There if the kernel has IPv6.
const IPV6: &str = "/proc/net/if_inet6";

/// What is to be redirected, and how.
#[derive(Debug, clap::Args)]
pub(crate) struct RedirectFlags {
    /// Port of the proxy for outbound connections.
    #[arg(short = 'p', long, value_name = "PORT", default_value_t = 15001)]
    envoy_port: u16,
    /// Port of the proxy for inbound connections.
    #[arg(short = 'z', long, value_name = "PORT", default_value_t = 15006)]
    inbound_capture_port: u16,
    /// Port of tunnels, which is never redirected.
    #[arg(short = 'e', long, value_name = "PORT", default_value_t = 15008)]
    inbound_tunnel_port: u16,
    /// Users whose traffic is left alone, with commas.
    #[arg(short = 'u', long, value_name = "UIDS", default_value = "1337")]
    proxy_uid: String,
    /// Groups whose traffic is left alone, with commas [default: those given as users].
    #[arg(short = 'g', long, value_name = "GIDS")]
    proxy_gid: Option<String>,
    /// How inbound connections are redirected: REDIRECT or TPROXY.
    #[arg(short = 'm', long, value_name = "MODE", default_value = "REDIRECT")]
    istio_inbound_interception_mode: Mode,
    /// Inbound ports that are redirected, with commas, or `*`; empty is none.
    #[arg(short = 'b', long, value_name = "PORTS", default_value = "*")]
    istio_inbound_ports: Ports,
    /// Inbound ports that are not.
    #[arg(short = 'd', long, value_name = "PORTS", default_value = "15090,15021,15020")]
    istio_local_exclude_ports: String,
    /// Outbound ranges that are redirected, with commas, or `*`; empty is none.
    #[arg(short = 'i', long, value_name = "RANGES", default_value = "*")]
    istio_service_cidr: Ranges,
    /// Outbound ranges that are not.
    #[arg(short = 'x', long, value_name = "RANGES", default_value = "")]
    istio_service_exclude_cidr: String,
    /// Outbound ports that are redirected whatever the address.
    #[arg(short = 'q', long, value_name = "PORTS", default_value = "")]
    istio_outbound_ports: String,
    /// Outbound ports that are not.
    #[arg(short = 'o', long, value_name = "PORTS", default_value = "")]
    istio_local_outbound_ports_exclude: String,
    /// Interfaces of virtual machines in the pod.
    #[arg(short = 'k', long, value_name = "NAMES", default_value = "")]
    kube_virt_interfaces: String,
    /// Interfaces that are left alone.
    #[arg(short = 'c', long, value_name = "NAMES", default_value = "")]
    istio_exclude_interfaces: String,
    /// Also redirect DNS to the servers of /etc/resolv.conf (env ISTIO_META_DNS_CAPTURE).
    #[arg(long)]
    redirect_dns: bool,
    /// Also redirect DNS to any server.
    #[arg(long)]
    capture_all_dns: bool,
    /// Drop packets that belong to no connection (env INVALID_DROP).
    #[arg(long)]
    drop_invalid: bool,
    /// Rules for IPv6: auto (if the kernel has it), true or false.
    #[arg(long, value_name = "WHEN", default_value = "auto", value_parser = ["auto", "true", "false"])]
    ipv6: String,

    /// Use nft.
    #[arg(long, alias = "native-nftables", conflicts_with = "iptables")]
    nft: bool,
    /// Use iptables, the default.
    #[arg(long)]
    iptables: bool,
    /// Print what would be set, and set nothing.
    #[arg(short = 'n', long)]
    dry_run: bool,
    /// Remove what was set, by either tool, and end.
    #[arg(long, alias = "cleanup-only")]
    cleanup: bool,
    /// Set nothing; with --run-validation where somebody else has set the rules.
    #[arg(long)]
    skip_rule_apply: bool,
    /// Try whether connections are redirected; exit code 126 if not. To be run as the proxy's user.
    #[arg(long)]
    run_validation: bool,
}

/// Sets, shows, tries or removes the rules.
///
/// # Errors
/// A flag cannot be read, a tool is missing or refuses, or rights are missing.
pub(crate) fn run(flags: &RedirectFlags) -> Result<ExitCode> {
    let settings = settings(flags)?;
    if flags.cleanup {
        return cleanup(&settings, flags.dry_run).map(|()| ExitCode::SUCCESS);
    }
    if flags.dry_run {
        print(&shown(flags, &settings))?;
        return Ok(ExitCode::SUCCESS);
    }
    if !flags.skip_rule_apply {
        if flags.nft {
            feed("nft", &["-f", "-"], &nft::text(&settings))?;
        } else {
            for family in families(&settings) {
                let saved = save(family)?;
                let (_, restore) = tools(family);
                feed(restore, &["--noflush", "-w"], &iptables::text(&settings, family, &saved))?;
            }
        }
        for family in families(&settings) {
            undo_routing(&settings, family)?;
            for words in routing::commands(&settings, family) {
                output("ip", &words).with_context(|| "TPROXY needs a route of its own")?;
            }
        }
    }
    Ok(if flags.run_validation { validate(&settings) } else { ExitCode::SUCCESS })
}

fn settings(flags: &RedirectFlags) -> Result<Settings> {
    let is_set = |name: &str| std::env::var(name).is_ok_and(|text| text == "true");
    let users: Vec<u32> = list(&flags.proxy_uid, "user ID").context("--proxy-uid")?;
    let groups = flags.proxy_gid.as_deref().map(|text| list(text, "group ID")).transpose();
    let dns = if flags.capture_all_dns {
        Dns::All
    } else if flags.redirect_dns || is_set("ISTIO_META_DNS_CAPTURE") {
        Dns::Servers(servers()?)
    } else {
        Dns::Off
    };
    Ok(Settings {
        outbound_port: flags.envoy_port,
        inbound_port: flags.inbound_capture_port,
        tunnel_port: flags.inbound_tunnel_port,
        groups: groups.context("--proxy-gid")?.unwrap_or_else(|| users.clone()),
        users,
        mode: flags.istio_inbound_interception_mode,
        inbound: flags.istio_inbound_ports.clone(),
        inbound_exclude: ports(&flags.istio_local_exclude_ports).context("--istio-local-exclude-ports")?,
        ranges: flags.istio_service_cidr.clone(),
        ranges_exclude: ranges(&flags.istio_service_exclude_cidr).context("--istio-service-exclude-cidr")?,
        outbound: ports(&flags.istio_outbound_ports).context("--istio-outbound-ports")?,
        outbound_exclude: ports(&flags.istio_local_outbound_ports_exclude)
            .context("--istio-local-outbound-ports-exclude")?,
        virtual_interfaces: interfaces(&flags.kube_virt_interfaces).context("--kube-virt-interfaces")?,
        exclude_interfaces: interfaces(&flags.istio_exclude_interfaces)
            .context("--istio-exclude-interfaces")?,
        dns,
        drop_invalid: flags.drop_invalid || is_set("INVALID_DROP"),
        ipv6: match flags.ipv6.as_str() {
            "auto" => std::fs::metadata(IPV6).is_ok(),
            when => when == "true",
        },
        ..Settings::default()
    })
}

/// The servers that `/etc/resolv.conf` names; lines of other kinds are the resolver's.
fn servers() -> Result<Vec<IpAddr>> {
    let text = std::fs::read_to_string(RESOLV_CONF).with_context(|| format!("reading {RESOLV_CONF}"))?;
    let server = |line: &str| line.strip_prefix("nameserver")?.split('%').next()?.trim().parse().ok();
    Ok(text.lines().filter_map(server).take(16).collect())
}

fn families(settings: &Settings) -> Vec<Family> {
    if settings.ipv6 { vec![Family::V4, Family::V6] } else { vec![Family::V4] }
}

/// What shows the rules, and what sets them.
fn tools(family: Family) -> (&'static str, &'static str) {
    match family {
        Family::V4 => ("iptables-save", "iptables-restore"),
        Family::V6 => ("ip6tables-save", "ip6tables-restore"),
    }
}

fn shown(flags: &RedirectFlags, settings: &Settings) -> String {
    let mut text = String::new();
    if flags.nft {
        text.push_str(&nft::text(settings));
    } else {
        for family in families(settings) {
            text.push_str(&format!("# {}\n", tools(family).1));
            text.push_str(&iptables::text(settings, family, ""));
        }
    }
    for family in families(settings) {
        for words in routing::commands(settings, family) {
            text.push_str(&format!("# ip {}\n", words.join(" ")));
        }
    }
    text
}

/// Removes what either tool has set; a tool that is not there has set nothing.
fn cleanup(settings: &Settings, dry_run: bool) -> Result<()> {
    let mut found = false;
    for family in families(settings) {
        let (show, restore) = tools(family);
        if !exists(show) {
            continue;
        }
        found = true;
        let text = iptables::cleanup(&save(family)?);
        if dry_run {
            print(&format!("# {restore}\n{text}"))?;
        } else if !text.is_empty() {
            feed(restore, &["--noflush", "-w"], &text)?;
        }
    }
    if exists("nft") {
        found = true;
        if dry_run {
            print(&format!("# nft\n{}", nft::cleanup()))?;
        } else {
            feed("nft", &["-f", "-"], &nft::cleanup())?;
        }
    }
    if !found {
        bail!("neither iptables-save nor nft is on PATH: nothing can be removed");
    }
    if !dry_run {
        for family in families(settings) {
            undo_routing(settings, family)?;
        }
    }
    Ok(())
}

/// Routing of an earlier time; most often there is none, and where `ip` is missing there was none.
fn undo_routing(settings: &Settings, family: Family) -> Result<()> {
    if !exists("ip") {
        return Ok(());
    }
    for words in routing::cleanup(settings, family) {
        Command::new("ip").args(words).stdout(Stdio::null()).stderr(Stdio::null()).status()?;
    }
    Ok(())
}

fn exists(program: &str) -> bool {
    let Some(path) = std::env::var_os("PATH") else { return false };
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
        || Path::new("/usr/sbin").join(program).is_file()
}

fn save(family: Family) -> Result<String> {
    output(tools(family).0, &[])
}

fn output(program: &str, words: &[String]) -> Result<String> {
    let done = Command::new(program).args(words).output().map_err(|error| missing(program, &error))?;
    if !done.status.success() {
        return Err(refused(program, &String::from_utf8_lossy(&done.stderr)));
    }
    Ok(String::from_utf8_lossy(&done.stdout).into_owned())
}

fn feed(program: &str, words: &[&str], text: &str) -> Result<()> {
    let mut command = Command::new(program);
    command.args(words).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| missing(program, &error))?;
    // Who has refused the first lines does not read the rest; its own words tell why.
    let _ = child.stdin.take().map(|mut input| input.write_all(text.as_bytes()));
    let done = child.wait_with_output().with_context(|| format!("waiting for {program}"))?;
    if done.status.success() { Ok(()) } else { Err(refused(program, &String::from_utf8_lossy(&done.stderr))) }
}

fn missing(program: &str, error: &std::io::Error) -> anyhow::Error {
    if error.kind() == ErrorKind::NotFound {
        let other = if program == "nft" { "--iptables" } else { "--nft" };
        return anyhow::anyhow!("{program} is not on PATH: use an image that has it, or {other}");
    }
    anyhow::anyhow!("cannot start {program}: {error}")
}

fn refused(program: &str, said: &str) -> anyhow::Error {
    let said = said.trim();
    let rights = ["ermission denied", "not permitted", "must be root"];
    if rights.iter().any(|part| said.contains(part)) {
        return anyhow::anyhow!(
            "{program}: {said}\nthis must run as root with the capability NET_ADMIN (and NET_RAW for iptables); \
             where pods may not, install the CNI plugin (istiod chart: cni.enabled=true)"
        );
    }
    anyhow::anyhow!("{program}: {said}")
}

fn print(text: &str) -> Result<()> {
    std::io::stdout().write_all(text.as_bytes()).context("writing to standard output")
}

/// Calls a port that nobody listens on, as the proxy would itself: with the rules in place the call arrives at the
/// inbound port.
fn validate(settings: &Settings) -> ExitCode {
    let tried = || -> Result<()> {
        let inbound = SocketAddr::from((Ipv4Addr::UNSPECIFIED, settings.inbound_port));
        let _listener = TcpListener::bind(inbound).with_context(|| format!("listening on {inbound}"))?;
        // Another address than 127.0.0.1, which is left alone, and of this host all the same.
        let target = SocketAddr::from((Ipv4Addr::new(127, 0, 0, 2), PROBE));
        TcpStream::connect_timeout(&target, Duration::from_secs(5))
            .map(drop)
            .with_context(|| format!("calling {target}, which should lead to {inbound}"))
    };
    match tried() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("weft-proxy redirect: connections are not redirected: {error:#}"));
            ExitCode::from(NOT_REDIRECTED)
        }
    }
}
