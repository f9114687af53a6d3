//! Kubernetes Services (CP-07, CP-08).

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use weft_api::Object;
use weft_api::kube::Service as Spec;

use crate::mesh::MeshConfig;
use crate::protocol::Protocol;
use crate::service::{Registry, Resolution, Service, ServicePort};
use crate::visibility::Visibility;

/// Annotation that says who sees a Service, as `exportTo` does elsewhere.
const EXPORT_TO: &str = "networking.istio.io/exportTo";

/// The service that an object tells of.
pub(super) fn service(object: &Arc<Object>, spec: &Spec, mesh: &MeshConfig) -> Service {
    let (name, namespace) = (&object.reference.name, &object.reference.namespace);
    let spec = &spec.spec;
    let external_name =
        spec.external_name.as_deref().filter(|_| spec.kind.as_deref() == Some("ExternalName"));
    let headless = external_name.is_none() && spec.is_headless();
    let ports = spec.ports.iter().map(|port| {
        let number = port.port.number();
        let name = port.name.as_deref().unwrap_or_default();
        ServicePort {
            number,
            name: name.into(),
            protocol: Protocol::of_port(number, name, port.protocol, port.app_protocol.as_deref()),
            target: port.target_port.clone(),
        }
    });
    let export_to: Vec<String> = object.meta.annotations.get(EXPORT_TO).map_or_else(Vec::new, |list| {
        list.split(',').map(|entry| entry.trim().to_owned()).filter(|entry| !entry.is_empty()).collect()
    });
    let resolution = match (external_name, headless) {
        (Some(_), _) => Resolution::StrictDns,
        (None, true) => Resolution::Passthrough,
        (None, false) => Resolution::Eds,
    };
    let addresses = spec.virtual_addresses().chain(spec.external_ips.iter().map(String::as_str));
    Service {
        host: format!("{name}.{namespace}.svc.{}", mesh.domain).into(),
        name: name.clone(),
        namespace: namespace.clone(),
        ports: ports.collect(),
        addresses: addresses.filter_map(|ip| ip.parse().ok()).map(|ip: IpAddr| IpNet::from(ip)).collect(),
        headless,
        resolution,
        external: external_name.is_some(),
        registry: Registry::Kubernetes,
        export_to: Visibility::new(&export_to, namespace, &mesh.service_export_to),
        labels: object.meta.labels.clone(),
        selector: if external_name.is_some() { crate::Labels::new() } else { spec.selector.clone() },
        subject_alt_names: Vec::new(),
        created: object.meta.created.clone(),
        alias_of: external_name.map(|host| host.trim_end_matches('.').to_ascii_lowercase().into()),
        publish_not_ready: spec.publish_not_ready_addresses,
        object: object.clone(),
    }
}
