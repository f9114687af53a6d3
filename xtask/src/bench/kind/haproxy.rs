//! haproxy: one thread, in the foreground.

use super::{Outcome, Running, cannot};
use crate::bench::backend::Upstream;
use crate::bench::ground::Ground;
use crate::bench::pki;
use crate::bench::spec::{Carries, Chain, Hops, Spec};
use anyhow::Result;
use std::fmt::Write;

pub(super) fn start(ground: &Ground, spec: &Spec, upstream: &Upstream) -> Result<Outcome> {
    if spec.hops != Hops::One || spec.chain != Chain::Plain {
        return cannot("haproxy has neither Istio's filters nor its two hops");
    }
    let port = ground.port()?;
    let (mode, proto) = match spec.carries {
        Carries::Http1 => ("http", ""),
        Carries::Http2 | Carries::Grpc => ("http", " proto h2"),
        Carries::Tcp => ("tcp", ""),
    };
    let mut bind = format!("bind 127.0.0.1:{port}{proto} backlog 4096");
    let mut front = "default_backend backend".to_owned();
    if spec.tls {
        let files = pki::issue(ground, "server")?;
        write!(bind, " ssl crt {} ca-file {} verify required ssl-min-ver TLSv1.3", files.both, files.roots)?;
        "http-request return status 200 content-type text/plain string ok".clone_into(&mut front);
    }
    let to = upstream.port(spec.carries);
    let mut text = format!(
        "global
  nbthread 1
  maxconn 8192
  tune.h2.max-concurrent-streams 1024
defaults
  mode {mode}
  timeout connect 5s
  timeout client 300s
  timeout server 300s
"
    );
    let reuse = if mode == "http" { "  http-reuse safe\n" } else { "" };
    let mut backends = format!("backend backend\n{reuse}  server one 127.0.0.1:{to}{proto}\n");
    if spec.clusters > 0 {
        let mut map = String::new();
        for n in 0..spec.clusters {
            let name = format!("service-{n}");
            writeln!(map, "{name}.shop.svc.cluster.local {name}")?;
            write!(backends, "backend {name}\n{reuse}  server one 127.0.0.1:{to}{proto}\n")?;
        }
        let map = ground.write(&format!("haproxy-{port}.map"), &map)?;
        front = format!("use_backend %[req.hdr(host),lower,map({map},backend)]");
    }
    write!(text, "frontend main\n  {bind}\n  {front}\n{backends}")?;
    let file = ground.write(&format!("haproxy-{port}.cfg"), &text)?;
    Running::one(ground, &["haproxy", "-db", "-q", "-f", &file], port)
}
