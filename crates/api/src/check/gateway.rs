//! Gateway (GW rows).

use std::collections::BTreeSet;

use super::{address, label, protocol, reference, tls};
use crate::diagnostic::Code;
use crate::istio::Gateway;
use crate::istio::gateway::{Server, ServerPort};
use crate::report::Report;

pub(super) fn check(r: &mut Report, spec: &Gateway) {
    let Gateway { selector, servers } = spec;
    r.within("selector", |r| label::labels(r, selector));
    if servers.is_empty() {
        r.error_at("servers", Code::MissingField, "a gateway needs a server");
    }
    let mut names = BTreeSet::new();
    r.each("servers", servers, |r, server| {
        if let Some(name) = &server.name
            && !names.insert(name)
        {
            r.error_at("name", Code::Reference, format!("{name} names two servers"));
        }
        check_server(r, server);
    });
}

fn check_server(r: &mut Report, server: &Server) {
    let Server { port, hosts, tls, bind, name: _, default_endpoint: _ } = server;
    let ServerPort { number: _, protocol, name: _, target_port: _ } = port;
    r.within("port", |r| r.within("protocol", |r| protocol::of_gateway(r, protocol)));
    r.each("hosts", hosts, |r, host| reference::namespaced_host(r, host, false));
    r.maybe("bind", bind.as_ref(), |r, bind| address::bind(r, bind));
    let is = |names: &[&str]| names.iter().any(|name| name.eq_ignore_ascii_case(protocol));
    match tls {
        None if is(&["HTTPS", "TLS"]) => {
            r.error_at("tls", Code::Tls, format!("a server of {protocol} needs tls"));
        }
        Some(tls) if tls.https_redirect && !is(&["HTTP", "HTTP2", "GRPC", "GRPC-WEB"]) => {
            r.within("tls", |r| {
                r.error_at("httpsRedirect", Code::Tls, "only plaintext HTTP can be redirected");
            });
        }
        _ => {}
    }
    r.maybe("tls", tls.as_ref(), tls::server);
    if let Some(tls) = tls
        && !tls.https_redirect
        && is(&["HTTP", "HTTP2", "GRPC", "GRPC-WEB"])
    {
        r.warn_at(
            "tls",
            Code::WithoutEffect,
            format!("a server of {protocol} speaks plaintext; HTTPS ends TLS"),
        );
    }
}
