//! One hop of HTTP/1.1 with keep-alive: wrk → proxy → nginx with a body of 1 KiB. The proxy has cpu 0
//! for itself and one worker; load generator and backend share cpu 1.

use super::ProxyOptions;
use super::server::{Server, free_ports};
use crate::shell::{command, must, output};
use crate::tools;
use anyhow::{Context, Result, bail};
use serde_json::json;
use std::path::Path;

/// One measurement.
#[derive(Debug, Clone, Copy)]
struct Sample {
    requests_per_second: f64,
    cpu_micros: f64,
    p50_ms: f64,
    p99_ms: f64,
    memory_mb: f64,
}

/// Runs the rounds and prints the table.
pub(super) fn run(options: &ProxyOptions) -> Result<()> {
    let (rounds, seconds) = if options.quick { (3, 3) } else { (options.rounds.max(3), options.seconds) };
    if !options.no_build {
        must(command(&["cargo", "build", "--release", "--quiet", "-p", "weft-proxy", "-p", "xtask"]))?;
    }
    let dir = std::path::absolute("target/bench")?;
    std::fs::create_dir_all(&dir)?;
    let [backend, relay, nginx, envoy, weft, admin_envoy, admin_weft] = free_ports()?;

    write(&dir, "body", &"0123456789abcdef".repeat(64))?;
    write(&dir, "backend.conf", &nginx_config(&dir, backend, None))?;
    write(&dir, "nginx.conf", &nginx_config(&dir, nginx, Some(backend)))?;
    write(&dir, "envoy.json", &bootstrap(envoy, admin_envoy, backend))?;
    write(&dir, "weft.json", &bootstrap(weft, admin_weft, backend))?;
    let file = |name: &str| dir.join(name).display().to_string();
    let words = |line: &[&str]| line.iter().map(ToString::to_string).collect::<Vec<_>>();

    let _backend = Server::start(1, &words(&["nginx", "-c", &file("backend.conf")]), backend, &dir)?;
    let (at, to) = (format!("127.0.0.1:{relay}"), format!("127.0.0.1:{backend}"));
    let proxies = [
        ("relay", Server::start(0, &words(&["target/release/xtask", "relay", &at, &to]), relay, &dir)?),
        ("nginx", Server::start(0, &words(&["nginx", "-c", &file("nginx.conf")]), nginx, &dir)?),
        (
            "envoy",
            Server::start(
                0,
                &words(&[
                    &tools::envoy(),
                    "-c",
                    &file("envoy.json"),
                    "--concurrency",
                    "1",
                    "--disable-hot-restart",
                    "-l",
                    "error",
                ]),
                envoy,
                &dir,
            )?,
        ),
        (
            "weft",
            Server::start(
                0,
                &words(&["target/release/weft-proxy", "--config", &file("weft.json"), "--concurrency", "1"]),
                weft,
                &dir,
            )?,
        ),
    ];
    let mut samples: Vec<Vec<Sample>> = vec![Vec::new(); proxies.len()];
    for (_, proxy) in &proxies {
        measure(proxy, 1, options.connections).context("warming up")?;
    }
    for round in 0..rounds {
        for (index, (name, proxy)) in proxies.iter().enumerate() {
            let sample = measure(proxy, seconds, options.connections)?;
            println!(
                "round {round} {name:6} {:9.0}/s {:6.1} µs",
                sample.requests_per_second, sample.cpu_micros
            );
            samples[index].push(sample);
        }
    }
    report(&proxies.map(|(name, _)| name), &samples, options)
}

fn report(names: &[&str], samples: &[Vec<Sample>], options: &ProxyOptions) -> Result<()> {
    let envoy = names.iter().position(|name| *name == "envoy").unwrap_or(0);
    println!(
        "\n{:6} {:>10} {:>9} {:>9} {:>8} {:>8} {:>8}",
        "proxy", "requests/s", "cpu µs", "of Envoy", "p50 ms", "p99 ms", "RSS MB"
    );
    let mut rows = Vec::new();
    for (name, own) in names.iter().zip(samples) {
        let median_of = |pick: fn(&Sample) -> f64| median(own.iter().map(pick).collect());
        // The ratio is taken within each round, where both met the same machine.
        let ratio =
            median(own.iter().zip(&samples[envoy]).map(|(a, b)| a.cpu_micros / b.cpu_micros).collect());
        let row = json!({
            "proxy": name,
            "requests_per_second": median_of(|sample| sample.requests_per_second),
            "cpu_micros_per_request": median_of(|sample| sample.cpu_micros),
            "cpu_of_envoy": ratio,
            "p50_ms": median_of(|sample| sample.p50_ms),
            "p99_ms": median_of(|sample| sample.p99_ms),
            "memory_mb": median_of(|sample| sample.memory_mb),
            "rounds": own.len(),
        });
        println!(
            "{name:6} {:10.0} {:9.1} {ratio:9.2} {:8.2} {:8.2} {:8.1}",
            median_of(|sample| sample.requests_per_second),
            median_of(|sample| sample.cpu_micros),
            median_of(|sample| sample.p50_ms),
            median_of(|sample| sample.p99_ms),
            median_of(|sample| sample.memory_mb),
        );
        rows.push(row);
    }
    let text = serde_json::to_string_pretty(&rows)?;
    match &options.json {
        Some(path) => std::fs::write(path, text).with_context(|| path.display().to_string()),
        None => {
            println!("\n{text}");
            Ok(())
        }
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn measure(proxy: &Server, seconds: u64, connections: u32) -> Result<Sample> {
    let before = proxy.cpu()?;
    let url = format!("http://127.0.0.1:{}/body", proxy.port);
    let said = output(&[
        "taskset",
        "-c",
        "1",
        "wrk",
        "-t1",
        &format!("-c{connections}"),
        &format!("-d{seconds}s"),
        "--latency",
        &url,
    ])?;
    let cpu = proxy.cpu()?.saturating_sub(before);
    if said.contains("Non-2xx") || said.contains("Socket errors") {
        bail!("errors under load at {url}:\n{said}");
    }
    let requests: f64 = field(&said, " requests in").context("wrk gave no count")?;
    Ok(Sample {
        requests_per_second: after(&said, "Requests/sec:").unwrap_or(0.0),
        cpu_micros: cpu.as_secs_f64() * 1e6 / requests,
        p50_ms: after(&said, "50%").unwrap_or(f64::NAN),
        p99_ms: after(&said, "99%").unwrap_or(f64::NAN),
        memory_mb: proxy.memory(),
    })
}

/// The number before a word.
fn field(text: &str, word: &str) -> Option<f64> {
    text[..text.find(word)?].split_whitespace().last()?.parse().ok()
}

/// The number after a word; a time in milliseconds.
fn after(text: &str, word: &str) -> Option<f64> {
    let value = text[text.find(word)? + word.len()..].split_whitespace().next()?;
    let (number, factor) = match value {
        _ if value.ends_with("us") => (value.trim_end_matches("us"), 1e-3),
        _ if value.ends_with("ms") => (value.trim_end_matches("ms"), 1.0),
        _ if value.ends_with('s') => (value.trim_end_matches('s'), 1e3),
        _ => (value, 1.0),
    };
    Some(number.parse::<f64>().ok()? * factor)
}

fn write(dir: &Path, name: &str, text: &str) -> Result<()> {
    std::fs::write(dir.join(name), text).with_context(|| name.to_owned())
}

/// One nginx process in the foreground: a file server, or a proxy to `upstream`.
fn nginx_config(dir: &Path, port: u16, upstream: Option<u16>) -> String {
    let dir = dir.display();
    let (group, location) = match upstream {
        None => (String::new(), format!("root {dir};")),
        Some(upstream) => (
            format!(
                "upstream backend {{ server 127.0.0.1:{upstream}; keepalive 128; keepalive_requests 100000000; }}"
            ),
            "proxy_pass http://backend; proxy_http_version 1.1; proxy_set_header Connection \"\";".to_owned(),
        ),
    };
    format!(
        "daemon off; master_process off; worker_processes 1; pid {dir}/{port}.pid; error_log {dir}/{port}.error.log;
events {{ worker_connections 4096; }}
http {{ access_log off; keepalive_requests 100000000; sendfile on; tcp_nopush on; open_file_cache max=16;
client_body_temp_path {dir}/tmp1; proxy_temp_path {dir}/tmp2; fastcgi_temp_path {dir}/tmp3; uwsgi_temp_path {dir}/tmp4; scgi_temp_path {dir}/tmp5;
{group}
server {{ listen 127.0.0.1:{port}; location / {{ {location} }} }} }}\n"
    )
}

/// The file that Envoy and weft-proxy both get.
fn bootstrap(port: u16, admin: u16, backend: u16) -> String {
    let address = |port: u16| json!({"socket_address": {"address": "127.0.0.1", "port_value": port}});
    let router = json!({"name": "envoy.filters.http.router", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}});
    let manager = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "ingress",
        "http_filters": [router],
        "route_config": {"name": "routes", "virtual_hosts": [
            {"name": "all", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "backend"}}]},
        ]},
    });
    let bootstrap = json!({
        "node": {"id": "bench", "cluster": "bench"},
        "admin": {"address": address(admin)},
        "static_resources": {
            "listeners": [{"name": "main", "address": address(port), "filter_chains": [
                {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]},
            ]}],
            "clusters": [{
                "name": "backend", "type": "STATIC", "connect_timeout": "1s",
                "load_assignment": {"cluster_name": "backend", "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address(backend)}}]}]},
            }],
        },
    });
    bootstrap.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_wrk_are_read() {
        let said = "  Latency Distribution\n     50%  667.00us\n     99%    1.20ms\n  352000 requests in 5.00s, 1MB read\nRequests/sec:  70600.12\n";
        assert_eq!(after(said, "50%"), Some(0.667));
        assert_eq!(after(said, "99%"), Some(1.2));
        assert_eq!(field(said, " requests in"), Some(352_000.0));
        assert_eq!(after(said, "Requests/sec:"), Some(70_600.12));
    }

    #[test]
    fn the_median_is_one_of_the_values() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
    }
}
