//! Members of clusters that are found by name.

use std::net::SocketAddr;
use std::sync::{Arc, Weak};
use std::time::Duration;

use weft_tables::address::SocketAddress;
use weft_tables::cluster::{Discovery, Dns, DnsFamily, Endpoint, Endpoints, LocalityEndpoints};

use super::shared::ClusterShared;

/// Time that the first look-up may take before requests go on without members.
const FIRST: Duration = Duration::from_secs(5);

/// Starts what keeps a cluster's members up to date, if it needs anything. The task ends when the
/// cluster is gone.
pub(crate) fn start(shared: &Arc<ClusterShared>, runtime: &tokio::runtime::Handle) {
    let (dns, all) = match &shared.config.discovery {
        Discovery::StrictDns(dns) => (dns.clone(), true),
        Discovery::LogicalDns(dns) => (dns.clone(), false),
        Discovery::Static(_) | Discovery::Eds(_) | Discovery::OriginalDst { .. } => return,
    };
    runtime.spawn(refresh(Arc::downgrade(shared), dns, all));
}

async fn refresh(cluster: Weak<ClusterShared>, dns: Dns, all: bool) {
    loop {
        let resolved = resolve(&dns, all).await;
        let Some(cluster) = cluster.upgrade() else { return };
        match resolved {
            Some(endpoints) => cluster.set_endpoints(Arc::new(endpoints)),
            // Members found before stay: a failing resolver must not take a cluster down.
            None => tracing::debug!(cluster = %cluster.config.name, "names did not resolve"),
        }
        cluster.set_resolved();
        drop(cluster);
        tokio::time::sleep(dns.refresh.max(Duration::from_millis(10))).await;
    }
}

/// Endpoints with addresses in place of names; `None` if no name could be resolved.
async fn resolve(dns: &Dns, all: bool) -> Option<Endpoints> {
    let mut found = Endpoints { localities: Vec::new(), ..(*dns.endpoints).clone() };
    let mut any = false;
    for group in &dns.endpoints.localities {
        let mut endpoints = Vec::new();
        for endpoint in &group.endpoints {
            let SocketAddress::Name(host, port) = &endpoint.address else {
                any = true;
                endpoints.push(endpoint.clone());
                continue;
            };
            let looked_up = tokio::time::timeout(FIRST, tokio::net::lookup_host((&**host, *port))).await;
            let Ok(Ok(addresses)) = looked_up else { continue };
            any = true;
            let mut addresses = of_family(addresses.collect(), dns.family);
            if !all {
                addresses.truncate(1);
            }
            endpoints.extend(addresses.into_iter().map(|address| {
                Arc::new(Endpoint {
                    address: SocketAddress::Ip(address),
                    hostname: if endpoint.hostname.is_empty() {
                        host.clone()
                    } else {
                        endpoint.hostname.clone()
                    },
                    ..(**endpoint).clone()
                })
            }));
        }
        found.localities.push(LocalityEndpoints { endpoints, ..group.clone() });
    }
    any.then_some(found)
}

fn of_family(mut addresses: Vec<SocketAddr>, family: DnsFamily) -> Vec<SocketAddr> {
    addresses.sort();
    addresses.dedup();
    let (v4, v6): (Vec<_>, Vec<_>) = addresses.into_iter().partition(SocketAddr::is_ipv4);
    match family {
        DnsFamily::V4Only => v4,
        DnsFamily::V6Only => v6,
        DnsFamily::V4Preferred if v4.is_empty() => v6,
        DnsFamily::V4Preferred => v4,
        DnsFamily::Auto if v6.is_empty() => v4,
        DnsFamily::Auto => v6,
        DnsFamily::All => v4.into_iter().chain(v6).collect(),
    }
}
