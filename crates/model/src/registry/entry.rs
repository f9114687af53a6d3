//! ServiceEntries: hosts that Kubernetes does not know (SE rows).

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use ipnet::IpNet;
use weft_api::istio::ServiceEntry;
use weft_api::istio::service_entry::{Location, Resolution as Written};
use weft_api::kube::pod::Transport;
use weft_api::value::IntOrString;
use weft_api::{Code, Diagnostic, Object};

use super::ServiceKey;
use crate::diagnose::warning;
use crate::host;
use crate::mesh::MeshConfig;
use crate::protocol::Protocol;
use crate::service::{Registry, Resolution, Service, ServicePort};
use crate::visibility::Visibility;

/// The ServiceEntries behind each service, oldest first: several may give ports to one host.
#[derive(Debug, Default)]
pub(super) struct Entries(HashMap<ServiceKey, Vec<Part>>);

/// What one ServiceEntry gives to a service.
#[derive(Debug)]
pub(super) struct Part {
    /// The object.
    pub(super) object: Arc<Object>,
    /// The ports of the service that are its own.
    pub(super) ports: Vec<ServicePort>,
}

impl Entries {
    pub(super) fn of(&self, service: &Service) -> &[Part] {
        let key = (service.host.clone(), service.namespace.clone());
        self.0.get(&key).map_or(&[], Vec::as_slice)
    }

    /// Adds a service. One of the same host and namespace that is there already, being older or
    /// Kubernetes' own, keeps what it has; of two ServiceEntries alike, the later adds its other ports.
    pub(super) fn add(
        &mut self,
        services: &mut BTreeMap<ServiceKey, Service>,
        service: Service,
        diagnostics: &mut Vec<Diagnostic>,
    ) {
        let key = (service.host.clone(), service.namespace.clone());
        let Some(known) = services.get_mut(&key) else {
            let part = Part { object: service.object.clone(), ports: service.ports.clone() };
            self.0.insert(key.clone(), vec![part]);
            services.insert(key, service);
            return;
        };
        let alike = known.registry == Registry::External
            && known.resolution == service.resolution
            && known.external == service.external;
        let taken = |port: &ServicePort| known.ports.iter().any(|theirs| theirs.number == port.number);
        let (mut lost, fresh): (Vec<_>, Vec<_>) =
            service.ports.iter().cloned().partition(|port| !alike || taken(port));
        if let Some(part) = (!fresh.is_empty()).then(|| Part { object: service.object.clone(), ports: fresh })
        {
            known.ports.extend(part.ports.iter().cloned());
            self.0.entry(key).or_default().push(part);
        }
        if alike && lost.is_empty() && !service.ports.is_empty() {
            return;
        }
        lost.sort_by_key(|port| port.number);
        let ports: Vec<String> = lost.iter().map(|port| port.number.to_string()).collect();
        let of_ports = if ports.is_empty() { String::new() } else { format!(", port {}", ports.join(", ")) };
        let message = format!("{}{of_ports}: {} goes before", service.host, known.object.reference);
        diagnostics.push(warning(&service.object, "spec.hosts", Code::Conflict, message));
    }
}

/// The services that a ServiceEntry tells of: one for each host.
pub(super) fn services<'o>(
    object: &'o Arc<Object>,
    spec: &'o ServiceEntry,
    mesh: &'o MeshConfig,
) -> impl Iterator<Item = Service> + 'o {
    let (name, namespace) = (&object.reference.name, &object.reference.namespace);
    let ports: Vec<ServicePort> = spec.ports.iter().map(port).collect();
    let addresses: Vec<IpNet> = spec.addresses.iter().filter_map(|text| network(text)).collect();
    let selector =
        spec.workload_selector.as_ref().map_or_else(crate::Labels::new, |selector| selector.labels.clone());
    spec.hosts.iter().map(move |text| Service {
        host: host::resolve(text, namespace, &mesh.domain),
        name: name.clone(),
        namespace: namespace.clone(),
        ports: ports.clone(),
        addresses: addresses.clone(),
        headless: false,
        resolution: match spec.resolution {
            Written::None => Resolution::Passthrough,
            Written::Static => Resolution::Eds,
            Written::Dns => Resolution::StrictDns,
            Written::DnsRoundRobin => Resolution::LogicalDns,
            Written::DynamicDns => Resolution::DynamicDns,
        },
        external: spec.location == Location::MeshExternal,
        registry: Registry::External,
        export_to: Visibility::new(&spec.export_to, namespace, &mesh.service_export_to),
        labels: object.meta.labels.clone(),
        selector: selector.clone(),
        subject_alt_names: spec.subject_alt_names.clone(),
        created: object.meta.created.clone(),
        alias_of: None,
        publish_not_ready: false,
        object: object.clone(),
    })
}

fn port(port: &weft_api::istio::service_entry::ServicePort) -> ServicePort {
    let number = port.number.number();
    let told = port.protocol.as_deref().filter(|told| !told.is_empty());
    let protocol = match told {
        Some(told) => Protocol::parse(told).unwrap_or(Protocol::Auto),
        None => Protocol::of_port(number, &port.name, Transport::Tcp, None),
    };
    let target = port.target_port.map(IntOrString::Int);
    ServicePort { number, name: port.name.as_str().into(), protocol, target }
}

/// An address or a range.
fn network(text: &str) -> Option<IpNet> {
    text.parse().ok().or_else(|| text.parse().ok().map(|ip: std::net::IpAddr| IpNet::from(ip)))
}
