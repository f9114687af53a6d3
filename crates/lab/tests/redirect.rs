//! The rules of `weft-redirect` in a kernel: in both forms and both modes each call goes where Istio sends it, with
//! its original destination; `weft-proxy redirect` sets them, sets them again, and leaves nothing behind.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::process::Stdio;

use anyhow::{Context as _, Result, bail};
use nix::sys::socket::{getsockopt, sockopt::OriginalDst};
use socket2::{Domain, Socket, Type};
use weft_lab::netns::{Host, pair};

/// Nobody's address.
const VIRTUAL: &str = "10.99.0.1";
/// A user of the pod.
const APP: u32 = 1000;
/// The proxy's.
const PROXY: u32 = 1337;

/// A call: from the pod by a user, or from outside (`None`); where to; who is to answer.
type Case = (Option<u32>, &'static str, u16, &'static str);

/// What both forms do alike with the default settings.
const DEFAULT: [Case; 13] = [
    (Some(APP), VIRTUAL, 80, "15001 for 10.99.0.1:80"),
    (Some(APP), "10.77.0.2", 7000, "15001 for 10.77.0.2:7000"),
    // Programs among themselves.
    (Some(APP), "127.0.0.1", 7000, "7000 here"),
    (Some(APP), "10.77.0.1", 7000, "7000 here"),
    // The proxy itself: straight outside, by its own inbound port to its own pod.
    (Some(PROXY), "10.77.0.2", 7000, "7000 there"),
    (Some(PROXY), "10.77.0.1", 7000, "15006 for 10.77.0.1:7000"),
    (Some(PROXY), "127.0.0.1", 7000, "7000 here"),
    (Some(PROXY), "10.77.0.1", 15008, "15008 here"),
    // From outside.
    (None, "10.77.0.1", 7000, "15006 for 10.77.0.1:7000"),
    (None, "10.77.0.1", 9999, "15006 for 10.77.0.1:9999"),
    (None, "10.77.0.1", 15008, "15008 here"),
    (None, "10.77.0.1", 15021, "15021 here"),
    (None, "10.77.0.1", 15090, "15090 here"),
];

/// With lists, and DNS.
const LISTS: [Case; 8] = [
    (Some(APP), VIRTUAL, 80, "15001 for 10.99.0.1:80"),
    (Some(APP), "10.77.0.2", 7000, "7000 there"),
    (Some(APP), "10.77.0.2", 7001, "15001 for 10.77.0.2:7001"),
    (Some(APP), VIRTUAL, 53, "15053 for 10.99.0.1:53"),
    (Some(PROXY), "10.77.0.2", 7001, "7001 there"),
    (None, "10.77.0.1", 7000, "15006 for 10.77.0.1:7000"),
    (None, "10.77.0.1", 7001, "7001 here"),
    (None, "10.77.0.1", 15008, "15008 here"),
];
const LIST_FLAGS: [&str; 7] = ["-i", "10.99.0.0/16", "-q", "7001", "-b", "7000", "--capture-all-dns"];

#[test]
fn iptables_redirects_a_pod() {
    all(&["--iptables"]).expect("iptables");
}

#[test]
fn nft_redirects_a_pod_alike() {
    all(&["--nft"]).expect("nft");
}

#[test]
fn iptables_hands_connections_over_by_tproxy() {
    tproxy("--iptables").expect("iptables");
}

#[test]
fn nft_hands_connections_over_by_tproxy() {
    tproxy("--nft").expect("nft");
}

#[test]
fn without_rights_it_says_what_is_missing() {
    let (pod, _outside) = pair().expect("hosts");
    let done = pod.command(&proxy(), Some(APP)).args(["redirect", "--nft"]).output().expect("runs");
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(!done.status.success() && said.contains("NET_ADMIN"), "{said}");
    let words = ["PATH=/nowhere", &proxy(), "redirect", "--nft"];
    let done = pod.command("/usr/bin/env", None).args(words).output().expect("runs");
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(!done.status.success() && said.contains("nft is not on PATH"), "{said}");
}

fn all(form: &[&str]) -> Result<()> {
    let (pod, outside) = pair()?;
    serve(&pod, "here", &[7000, 7001, 15008, 15021, 15090])?;
    serve(&outside, "there", &[7000, 7001])?;
    capture(&pod, &[15001, 15006, 15053], false)?;
    dns(&pod)?;
    let without = rules(&pod)?;

    redirect(&pod, form, &[])?;
    check(&pod, &outside, &DEFAULT)?;
    let once = rules(&pod)?;
    redirect(&pod, form, &[])?;
    if rules(&pod)? != once {
        bail!("set twice is not as set once:\n{once}\n{}", rules(&pod)?);
    }

    redirect(&pod, form, &LIST_FLAGS)?;
    check(&pod, &outside, &LISTS)?;
    let answer = shell(&pod, Some(APP), "exec 3<>/dev/udp/10.99.0.1/53; echo q >&3; timeout 5 head -n1 <&3")?;
    if answer != "dns at 15053" {
        bail!("DNS over UDP: {answer:?}");
    }

    redirect(&pod, form, &["--cleanup"])?;
    if rules(&pod)? != without {
        bail!("left behind:\n{}", rules(&pod)?);
    }
    check(
        &pod,
        &outside,
        &[(Some(APP), "10.77.0.2", 7000, "7000 there"), (None, "10.77.0.1", 7000, "7000 here")],
    )
}

/// Without NAT: the proxy sees the destination as its own address, and who calls as it was.
fn tproxy(form: &str) -> Result<()> {
    let (pod, outside) = pair()?;
    serve(&pod, "here", &[7000, 15021])?;
    serve(&outside, "there", &[7000])?;
    capture(&pod, &[15001], false)?;
    capture(&pod, &[15006], true)?;
    redirect(&pod, &[form], &["-m", "TPROXY"])?;
    check(
        &pod,
        &outside,
        &[
            (None, "10.77.0.1", 7000, "15006 for 10.77.0.1:7000 from 10.77.0.2"),
            (None, "10.77.0.1", 15021, "15021 here"),
            (Some(APP), VIRTUAL, 80, "15001 for 10.99.0.1:80"),
            (Some(APP), "127.0.0.1", 7000, "7000 here"),
            (Some(PROXY), "10.77.0.2", 7000, "7000 there"),
        ],
    )?;
    redirect(&pod, &[form], &["-m", "TPROXY", "--cleanup"])?;
    check(&pod, &outside, &[(None, "10.77.0.1", 7000, "7000 here")])
}

/// The trial that an init container makes where a CNI plugin sets the rules.
#[test]
fn the_trial_tells_whether_rules_are_there() {
    let (pod, _outside) = pair().expect("hosts");
    // The checkout may lie in a folder that uid 1337 cannot look into.
    let dir = tempfile::tempdir().unwrap();
    std::fs::set_permissions(dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let copy = dir.path().join("weft-proxy");
    std::fs::copy(proxy(), &copy).unwrap();
    let trial = || {
        let mut command = pod.command(&copy.display().to_string(), Some(PROXY));
        command.args(["redirect", "--run-validation", "--skip-rule-apply"]).output().expect("runs")
    };
    let before = trial();
    assert_eq!(before.status.code(), Some(126), "{}", String::from_utf8_lossy(&before.stderr));
    redirect(&pod, &["--nft"], &[]).expect("rules");
    let after = trial();
    assert_eq!(after.status.code(), Some(0), "{}", String::from_utf8_lossy(&after.stderr));
}

fn proxy() -> String {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/debug/weft-proxy");
    std::env::var("WEFT_PROXY").unwrap_or_else(|_| root.to_owned())
}

fn redirect(host: &Host, form: &[&str], words: &[&str]) -> Result<()> {
    let mut command = host.command(&proxy(), None);
    let done = command.arg("redirect").args(form).args(words).output().context("weft-proxy is needed")?;
    if !done.status.success() {
        bail!("weft-proxy redirect {words:?}: {}", String::from_utf8_lossy(&done.stderr));
    }
    Ok(())
}

/// All rules, without counters and comments; empty tables that a tool leaves are as none.
fn rules(host: &Host) -> Result<String> {
    let saved = shell(
        host,
        None,
        "nft list ruleset; iptables-save; ip6tables-save; ip rule; ip route show table all",
    )?;
    let kept = saved.lines().filter(|line| {
        let line = line.trim();
        !line.starts_with('#') && !line.starts_with(':') && line.starts_with("-A") | line.contains("istio")
    });
    Ok(kept.map(str::trim).collect::<Vec<_>>().join("\n"))
}

fn check(pod: &Host, outside: &Host, cases: &[Case]) -> Result<()> {
    let mut wrong = Vec::new();
    for (uid, to, port, wanted) in cases {
        let (host, who) = if uid.is_some() { (pod, *uid) } else { (outside, Some(APP)) };
        let call = format!("exec 3<>/dev/tcp/{to}/{port} && timeout 5 head -n1 <&3");
        let answer = shell(host, who, &call).unwrap_or_else(|error| error.to_string());
        if !answer.starts_with(wanted) {
            wrong.push(format!("{uid:?} to {to}:{port}: {answer:?}, wanted {wanted:?}"));
        }
    }
    if wrong.is_empty() { Ok(()) } else { bail!("{}\n{}", wrong.join("\n"), rules(pod)?) }
}

fn shell(host: &Host, uid: Option<u32>, words: &str) -> Result<String> {
    let mut command = host.command("timeout", uid);
    let done = command.args(["10", "bash", "-c", words]).stdin(Stdio::null()).output()?;
    let text = String::from_utf8_lossy(&done.stdout).trim().to_owned();
    if text.is_empty() && !done.status.success() {
        bail!("{words}: {}", String::from_utf8_lossy(&done.stderr).trim());
    }
    Ok(text)
}

/// Servers that tell where they are.
fn serve(host: &Host, place: &'static str, ports: &[u16]) -> Result<()> {
    for port in ports {
        let at = SocketAddr::from((Ipv4Addr::UNSPECIFIED, *port));
        let listener = host.enter(|| Ok(TcpListener::bind(at)?))?;
        let port = *port;
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let _ = writeln!(stream, "{port} {place}");
            }
        });
    }
    Ok(())
}

/// Where the proxy would be: tells the original destination.
fn capture(host: &Host, ports: &[u16], transparent: bool) -> Result<()> {
    for port in ports {
        let at = SocketAddr::from((Ipv4Addr::UNSPECIFIED, *port));
        let listener: TcpListener = host.enter(|| {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
            if transparent {
                socket.set_ip_transparent_v4(true)?;
            }
            socket.bind(&at.into())?;
            socket.listen(16)?;
            Ok(socket.into())
        })?;
        let port = *port;
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let was = if transparent {
                    stream.local_addr().map(|at| at.to_string()).unwrap_or_default()
                } else {
                    original(&stream).unwrap_or_default()
                };
                let from = stream.peer_addr().map(|at| at.ip().to_string()).unwrap_or_default();
                let _ = writeln!(stream, "{port} for {was} from {from}");
            }
        });
    }
    Ok(())
}

fn original(stream: &std::net::TcpStream) -> Result<String> {
    let at = getsockopt(stream, OriginalDst)?;
    let ip = Ipv4Addr::from(u32::from_be(at.sin_addr.s_addr));
    Ok(format!("{ip}:{}", u16::from_be(at.sin_port)))
}

fn dns(host: &Host) -> Result<()> {
    let socket = host.enter(|| {
        // This thread's alone: the rules know the proxy's socket by its owner.
        nix::unistd::setfsuid(PROXY.into());
        // On one address, as the proxy does: so the answer comes from where the question went.
        Ok(UdpSocket::bind((Ipv4Addr::LOCALHOST, 15053))?)
    })?;
    std::thread::spawn(move || {
        let mut query = [0; 512];
        while let Ok((_, from)) = socket.recv_from(&mut query) {
            let _ = socket.send_to(b"dns at 15053\n", from);
        }
    });
    Ok(())
}
