//! `weft-proxy sidecar` and `weft-proxy router`: what Envoy and Istio's agent are in two processes.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::ExitCode;

use weft_agent::node::{Role, node};
use weft_agent::settings::{Flags, Settings};
use weft_filter::OpenFilters;
use weft_proto::envoy::config::bootstrap::v3::{Admin, Bootstrap};
use weft_proto::envoy::config::core::v3::{Address, SocketAddress, address, socket_address::PortSpecifier};

use crate::dynamic::Source;
use crate::serving::{self, Plan};
use crate::{args, config, program};

/// Where the labels of a pod lie that has no other source of them.
const POD_LABELS: &str = "./etc/istio/pod/labels";
/// Port of readiness (SD-04).
const HEALTH_PORT: u16 = 15021;

/// Runs the proxy by its flags and environment.
///
/// # Errors
/// The settings are not complete, or a socket cannot be opened. A control plane that is not there is
/// waited for.
pub(crate) fn run(flags: Flags, role: Role) -> anyhow::Result<ExitCode> {
    let environment: BTreeMap<String, String> = std::env::vars().collect();
    let labels = std::fs::read_to_string(POD_LABELS).ok();
    let settings = Settings::resolve(flags, role, &environment, labels.as_deref())?;
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
        end_time: settings.termination_drain,
        drain_time: settings.drain_time,
        health: Some(SocketAddr::new(settings.bind, HEALTH_PORT)),
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
