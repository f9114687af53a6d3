//! The bootstrap that Envoy and `weft-proxy` both get. The files differ in one thing: Istio's own
//! filters, which Envoy's release does not carry, stand in `weft-proxy`'s alone.

mod filters;
mod hbone;
mod tls;

use super::ground::Ground;
use super::pki;
use super::spec::{Between, Carries, Chain, Hops, Spec};
use anyhow::Result;
use serde_json::{Value, json};

/// Whose filters a file may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flavor {
    /// Of Envoy's release.
    Envoy,
    /// Istio's as well.
    Weft,
}

/// One proxy's file, and where it listens.
#[derive(Debug)]
pub(super) struct Hop {
    pub(super) file: String,
    pub(super) port: u16,
}

/// Where a proxy stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    /// Alone between client and server.
    Lone,
    /// Beside the client: plain in, mutual TLS out; with the port of HBONE, if that is between.
    Client(Between, Option<u16>),
    /// Beside the server: mutual TLS in, plain out; likewise.
    Server(Between, Option<u16>),
}

/// Writes the files of a case, that of the proxy nearest to the backend first.
///
/// # Errors
/// When a file cannot be written or no port is free.
pub(super) fn hops(ground: &Ground, spec: &Spec, flavor: Flavor, upstream: u16) -> Result<Vec<Hop>> {
    match spec.hops {
        Hops::One => Ok(vec![write(ground, spec, flavor, Side::Lone, upstream)?]),
        Hops::Two(between) => {
            // Where the server's proxy takes streams, on a host that all share.
            let streams = if between == Between::Hbone { Some(ground.port()?) } else { None };
            let server = write(ground, spec, flavor, Side::Server(between, streams), upstream)?;
            let client = write(ground, spec, flavor, Side::Client(between, streams), server.port)?;
            Ok(vec![server, client])
        }
    }
}

fn write(ground: &Ground, spec: &Spec, flavor: Flavor, side: Side, upstream: u16) -> Result<Hop> {
    let (port, admin) = (ground.port()?, ground.port()?);
    let (account, direction) = match side {
        Side::Client(..) => ("client", "OUTBOUND"),
        Side::Lone | Side::Server(..) => ("server", "INBOUND"),
    };
    let log = ground.path(&format!("access-{port}.log"));
    let network = if spec.carries == Carries::Tcp {
        filters::tcp(direction)
    } else {
        filters::http(spec, flavor, direction, &log)
    };
    let mut chain = json!({"filters": network});
    let mut listener = json!({"name": "main", "address": address(port)});
    if spec.chain == Chain::Istio {
        listener["traffic_direction"] = json!(direction);
    }
    let mut listeners = Vec::new();
    if spec.tls || matches!(side, Side::Server(..)) {
        let secured = tls::downstream(&pki::issue(ground, account)?);
        if let Side::Server(_, Some(streams)) = side {
            // The chain above takes each stream as a connection of its own: clients are verified alike.
            listeners.push(hbone::listener(streams, &secured));
        }
        chain["transport_socket"] = secured;
    }
    listener["filter_chains"] = json!([chain]);
    listeners.push(listener);
    let mut backend = cluster("backend", upstream);
    if matches!(spec.carries, Carries::Http2 | Carries::Grpc)
        || matches!(side, Side::Client(Between::Http2, _))
    {
        backend["typed_extension_protocol_options"] = http2_options();
    }
    if let Side::Client(between, streams) = side {
        let secured = tls::upstream(&pki::issue(ground, account)?, between);
        backend["transport_socket"] = match streams {
            Some(port) => hbone::upstream(port, &secured),
            None => secured,
        };
    }
    let mut clusters = vec![backend];
    clusters.extend((0..spec.clusters).map(|n| cluster(&service(n), upstream)));
    let bootstrap = json!({
        "node": node(account),
        "admin": {"address": address(admin)},
        "static_resources": {"listeners": listeners, "clusters": clusters},
    });
    let file = ground.write(&format!("bootstrap-{port}.json"), &bootstrap.to_string())?;
    Ok(Hop { file, port })
}

/// The name of a further service.
fn service(n: usize) -> String {
    format!("outbound|80||service-{n}.shop.svc.cluster.local")
}

fn address(port: u16) -> Value {
    json!({"socket_address": {"address": "127.0.0.1", "port_value": port}})
}

/// A node as Istio's agent tells of it.
fn node(account: &str) -> Value {
    json!({
        "id": format!("sidecar~127.0.0.1~{account}-1.shop~shop.svc.cluster.local"),
        "cluster": format!("{account}.shop"),
        "metadata": {
            "NAME": format!("{account}-1"), "NAMESPACE": "shop", "WORKLOAD_NAME": account, "CLUSTER_ID": "Kubernetes",
            "OWNER": format!("kubernetes://apis/apps/v1/namespaces/shop/deployments/{account}"),
            "LABELS": {"app": account, "version": "v1", "service.istio.io/canonical-name": account,
                       "service.istio.io/canonical-revision": "v1"},
        },
    })
}

/// Envoy's circuit breakers stop at 1,024 connections unless told.
fn cluster(name: &str, port: u16) -> Value {
    let most = 1_000_000;
    json!({
        "name": name, "type": "STATIC", "connect_timeout": "5s",
        "circuit_breakers": {"thresholds": [
            {"max_connections": most, "max_pending_requests": most, "max_requests": most, "max_retries": most}]},
        "load_assignment": {"cluster_name": name, "endpoints": [
            {"lb_endpoints": [{"endpoint": {"address": address(port)}}]}]},
    })
}

fn http2_options() -> Value {
    json!({"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {"http2_protocol_options": {}},
    }})
}
