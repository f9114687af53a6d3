//! `weft-proxy sidecar` and `weft-proxy router`: what Envoy and Istio's agent are in two processes.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use weft_agent::metrics::Scrape;
use weft_agent::node::{Role, node};
use weft_agent::probes::Probers;
use weft_agent::settings::{Flags, Settings};
use weft_filter::OpenFilters;
use weft_proto::envoy::config::bootstrap::v3::{Admin, Bootstrap};
use weft_proto::envoy::config::core::v3::{Address, SocketAddress, address, socket_address::PortSpecifier};

use crate::admin::Kind;
use crate::dynamic::Source;
use crate::serving::{self, Plan};
use crate::{args, config, program};

/// Where the labels of a pod lie that has no other source of them.
const POD_LABELS: &str = "./etc/istio/pod/labels";
/// Ports of the parts of the admin page that others may see (SD-04).
const PAGES: [(u16, Kind); 3] = [(15020, Kind::Status), (15021, Kind::Health), (15090, Kind::Metrics)];
/// What the injector keeps of the application's annotations for Prometheus.
const ANNOTATIONS: &str = "ISTIO_PROMETHEUS_ANNOTATIONS";
/// How long exchanges may go on once no connection is taken any more.
const END: Duration = Duration::from_secs(2);

/// Runs the proxy by its flags and environment.
///
/// # Errors
/// The settings are not complete, or a socket cannot be opened. A control plane that is not there is
/// waited for.
pub(crate) fn run(flags: Flags, role: Role) -> anyhow::Result<ExitCode> {
    let environment: BTreeMap<String, String> = std::env::vars().collect();
    let labels = std::fs::read_to_string(POD_LABELS).ok();
    let settings = Settings::resolve(flags, role, &environment, labels.as_deref())?;
    let annotations = environment.get(ANNOTATIONS).filter(|text| !text.is_empty());
    let application =
        annotations.map(|text| Scrape::read(text)).transpose().map_err(anyhow::Error::msg)?.flatten();
    let probers = Probers::of_environment(&environment, settings.pod_ip())?;
    program::log(&settings.log_level);
    weft_net::rlimit::raise_open_files().ok();
    let bootstrap = Bootstrap {
        node: Some(node(&settings.node)),
        admin: Some(Admin { address: Some(address(settings.admin)), ..Admin::default() }),
        ..Bootstrap::default()
    };
    serving::run(Plan {
        loaded: config::of(bootstrap),
        open_filters: OpenFilters::default(),
        workers: args::workers(settings.concurrency),
        end_time: END,
        linger: settings.termination_drain,
        drain_time: settings.drain_time,
        pages: PAGES.map(|(port, kind)| (SocketAddr::new(settings.bind, port), kind)).into(),
        application,
        probers: Some(probers),
        source: Some(Source::Mesh(Box::new(settings))),
    })
}

fn address(of: SocketAddr) -> Address {
    Address {
        address: Some(address::Address::SocketAddress(SocketAddress {
            address: of.ip().to_string(),
            port_specifier: Some(PortSpecifier::PortValue(of.port().into())),
            ..SocketAddress::default()
        })),
    }
}
