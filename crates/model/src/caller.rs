//! By which of their labels calling workloads are told apart.

use std::collections::BTreeSet;
use std::sync::Arc;

use weft_api::istio::load_balancer::LoadBalancer;
use weft_api::istio::traffic_policy::TrafficPolicy;

use crate::Labels;
use crate::objects::Objects;
use crate::virtual_service::VirtualServiceView;

/// Keys of the labels that matches of VirtualServices, and selectors and failover of the other kinds name.
pub(crate) fn labels(views: &[Arc<VirtualServiceView>], objects: &Objects) -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    let mut all = |labels: &Labels| keys.extend(labels.keys().cloned());
    for view in views {
        let http = view.spec.http.iter().flat_map(|rule| &rule.matches).map(|one| &one.source_labels);
        let tls = view.spec.tls.iter().flat_map(|rule| &rule.matches).map(|one| &one.source_labels);
        let tcp = view.spec.tcp.iter().flat_map(|rule| &rule.matches).map(|one| &one.source_labels);
        http.chain(tls).chain(tcp).for_each(&mut all);
    }
    for (_, sidecar) in objects.sidecars() {
        sidecar.workload_selector.iter().for_each(|selector| all(&selector.labels));
    }
    for (_, rule) in objects.destination_rules() {
        rule.workload_selector.iter().for_each(|selector| all(&selector.match_labels));
    }
    for (_, rule) in objects.destination_rules() {
        let subsets = rule.subsets.iter().filter_map(|subset| subset.traffic_policy.as_ref());
        for policy in rule.traffic_policy.iter().chain(subsets) {
            keys.extend(failover(policy));
        }
    }
    keys
}

fn failover(policy: &TrafficPolicy) -> impl Iterator<Item = String> {
    let of_ports = policy.port_level_settings.iter().filter_map(|port| port.load_balancer.as_ref());
    let balancers = policy.load_balancer.iter().chain(of_ports);
    let named = |balancer: &LoadBalancer| -> Vec<String> {
        let labels = balancer.locality.iter().flat_map(|setting| &setting.failover_priority);
        labels.map(|label| label.split_once('=').map_or(label.as_str(), |(key, _)| key).to_owned()).collect()
    };
    balancers.flat_map(named).collect::<Vec<_>>().into_iter()
}
