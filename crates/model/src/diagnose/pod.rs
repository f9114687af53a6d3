//! What pods say that cannot be read, and ports that none of them has.

use std::net::IpAddr;

use weft_api::value::IntOrString;
use weft_api::{Code, Diagnostic};

use super::{Together, warning};
use crate::registry::pods::{BIND, PORTS, pairs};
use crate::service::Registry;

impl Together<'_> {
    /// Annotations and addresses of pods.
    pub(super) fn pods(&self, to: &mut Vec<Diagnostic>) {
        for (object, pod) in self.objects.pods() {
            let annotation = |key: &str| object.meta.annotations.get(key).map(String::as_str);
            let mut say =
                |path: String, code, message: String| to.push(warning(object, &path, code, message));
            for pair in pairs(annotation(PORTS).unwrap_or_default()).filter_map(Result::err) {
                let message = format!("{pair:?} is not PORT=PORT, such as 9080=34567");
                say(format!("metadata.annotations[{PORTS:?}]"), Code::Annotation, message);
            }
            if let Some(text) = annotation(BIND).filter(|text| text.trim().parse::<IpAddr>().is_err()) {
                let message = format!("{text:?} is not an IP address");
                say(format!("metadata.annotations[{BIND:?}]"), Code::Annotation, message);
            }
            for text in pod.status.addresses().filter(|text| text.parse::<IpAddr>().is_err()) {
                let message = format!("{text:?} is not an IP address");
                say("status.podIP".to_owned(), Code::Address, message);
            }
        }
    }

    /// Names of target ports that no container of the chosen pods has.
    pub(super) fn target_ports(&self, to: &mut Vec<Diagnostic>) {
        let services = self.registry.services();
        for service in services.filter(|service| service.registry == Registry::Kubernetes) {
            for (index, port) in service.ports.iter().enumerate() {
                let Some(IntOrString::String(name)) = &port.target else { continue };
                let served = !self.registry.endpoints(service, port.number).is_empty();
                if !served && self.pods.selects_any(Some(&service.namespace), &service.selector) {
                    let message = format!("no container of the chosen pods has a TCP port named {name}");
                    let path = format!("spec.ports[{index}].targetPort");
                    to.push(warning(&service.object, &path, Code::UnknownPort, message));
                }
            }
        }
    }
}
