//! The kinds, a file each.

mod authorization_policy;
mod destination_rule;
mod envoy_filter;
mod gateway;
mod peer_authentication;
mod proxy_config;
mod request_authentication;
mod service_entry;
mod sidecar;
mod telemetry;
mod traffic_extension;
mod virtual_service;
mod wasm_plugin;
mod workload_entry;
mod workload_group;

use crate::definition::Definition;

/// All fifteen kinds, in the order of rows CRD-01 to CRD-15.
#[must_use]
pub fn definitions() -> Vec<Definition> {
    vec![
        virtual_service::definition(),
        destination_rule::definition(),
        gateway::definition(),
        service_entry::definition(),
        workload_entry::definition(),
        workload_group::definition(),
        sidecar::definition(),
        envoy_filter::definition(),
        proxy_config::definition(),
        authorization_policy::definition(),
        peer_authentication::definition(),
        request_authentication::definition(),
        telemetry::definition(),
        wasm_plugin::definition(),
        traffic_extension::definition(),
    ]
}
