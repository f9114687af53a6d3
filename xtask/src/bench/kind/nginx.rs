//! nginx, as a proxy and as the backend with files: one process, in the foreground.

use super::{Outcome, Running, cannot};
use crate::bench::backend::Upstream;
use crate::bench::ground::Ground;
use crate::bench::pki;
use crate::bench::spec::{Carries, Chain, Hops, Spec};
use anyhow::Result;
use std::fmt::Write;
use std::path::Path;

/// Debian's module for streams.
const STREAM: &str = "/usr/lib/nginx/modules/ngx_stream_module.so";

pub(super) fn start(ground: &Ground, spec: &Spec, upstream: &Upstream) -> Result<Outcome> {
    if spec.hops != Hops::One || spec.chain != Chain::Plain {
        return cannot("nginx has neither Istio's filters nor its two hops");
    }
    let port = ground.port()?;
    let head = head(&ground.dir, port);
    let text = if spec.carries == Carries::Tcp {
        if !Path::new(STREAM).exists() {
            return cannot("nginx has no stream module: apt-get install libnginx-mod-stream");
        }
        let to = upstream.http1;
        format!(
            "load_module {STREAM};\n{head}
stream {{ server {{ listen 127.0.0.1:{port} backlog=4096; proxy_pass 127.0.0.1:{to}; tcp_nodelay on; }} }}\n"
        )
    } else {
        let http = http(&ground.dir);
        format!("{head}\nhttp {{ {http}\n{} }}\n", servers(ground, spec, upstream, port)?)
    };
    let file = ground.write(&format!("nginx-{port}.conf"), &text)?;
    Running::one(ground, &["nginx", "-c", &file], port)
}

/// The configuration of the backend with files.
pub(in crate::bench) fn files(dir: &Path, http1: u16, http2: u16) -> String {
    let (head, http, root) = (head(dir, http1), http(dir), dir.display());
    format!(
        "{head}\nhttp {{ {http} sendfile on; tcp_nopush on; open_file_cache max=16;
server {{ listen 127.0.0.1:{http1} backlog=4096; listen 127.0.0.1:{http2} http2; http2_max_concurrent_streams 1024; root {root}; }} }}\n"
    )
}

fn head(dir: &Path, port: u16) -> String {
    let dir = dir.display();
    format!(
        "daemon off; master_process off; worker_processes 1; pid {dir}/{port}.pid; error_log {dir}/{port}.error.log;
events {{ worker_connections 8192; }}"
    )
}

fn http(dir: &Path) -> String {
    let dir = dir.display();
    format!(
        "access_log off; keepalive_requests 100000000; client_max_body_size 0; server_names_hash_max_size 65536;
client_body_temp_path {dir}/tmp1; proxy_temp_path {dir}/tmp2; fastcgi_temp_path {dir}/tmp3; uwsgi_temp_path {dir}/tmp4; scgi_temp_path {dir}/tmp5;"
    )
}

fn servers(ground: &Ground, spec: &Spec, upstream: &Upstream, port: u16) -> Result<String> {
    let group = |name: &str, to: u16| {
        format!(
            "upstream {name} {{ server 127.0.0.1:{to}; keepalive 128; keepalive_requests 100000000; keepalive_time 1d; }}\n"
        )
    };
    let pass = |name: &str| match spec.carries {
        Carries::Grpc => format!("grpc_pass grpc://{name}; grpc_socket_keepalive on;"),
        // nginx speaks HTTP/1.1 to its backends, whatever its clients speak.
        _ => format!(
            "proxy_pass http://{name}; proxy_http_version 1.1; proxy_set_header Connection \"\"; proxy_request_buffering off;"
        ),
    };
    let to = if spec.carries == Carries::Grpc { upstream.http2 } else { upstream.http1 };
    let http2 = if matches!(spec.carries, Carries::Http2 | Carries::Grpc) { " http2" } else { "" };
    let mut text = group("backend", to);
    let (mut ssl, mut tls, mut location) = ("", String::new(), pass("backend"));
    if spec.tls {
        let files = pki::issue(ground, "server")?;
        ssl = " ssl";
        tls = format!(
            "ssl_certificate {}; ssl_certificate_key {}; ssl_client_certificate {}; ssl_verify_client on;
ssl_protocols TLSv1.3; ssl_session_cache none; ssl_session_tickets on;",
            files.chain, files.key, files.roots
        );
        "return 200 \"ok\";".clone_into(&mut location);
    }
    write!(
        text,
        "server {{ listen 127.0.0.1:{port}{http2}{ssl} default_server backlog=4096; {tls} location / {{ {location} }} }}"
    )?;
    for n in 0..spec.clusters {
        let name = format!("service-{n}");
        text += &group(&name, to);
        writeln!(
            text,
            "server {{ listen 127.0.0.1:{port}; server_name {name}.shop.svc.cluster.local; location / {{ {} }} }}",
            pass(&name)
        )?;
    }
    Ok(text)
}
