//! What DestinationRules, ServiceEntries and Sidecars name.

use weft_api::istio::service_entry::Resolution;
use weft_api::{Code, Diagnostic};

use super::route::shown;
use super::{Together, info, warning};
use crate::host;
use crate::service::Resolution as Found;

impl Together<'_> {
    /// Hosts of DestinationRules, and the labels of their subsets.
    pub(super) fn rules(&self, to: &mut Vec<Diagnostic>) {
        for (object, spec) in self.objects.destination_rules() {
            let namespace = &object.reference.namespace;
            let host = host::resolve(&spec.host, namespace, &self.mesh.domain);
            if host.starts_with('*') {
                let mut services = self.registry.services();
                if !services.any(|service| host::meets(&host, &service.host)) {
                    let message = format!("{host} covers no service");
                    to.push(info(object, "spec.host", Code::UnknownHost, message));
                }
                continue;
            }
            let visible = self.registry.visible(&host, namespace);
            let Some(service) = visible.or_else(|| self.registry.of_host(&host).next()) else {
                let message = format!("there is no service of host {host}");
                let warning = warning(object, "spec.host", Code::UnknownHost, message);
                to.push(Diagnostic { hint: self.meant(&host), ..warning });
                continue;
            };
            if service.resolution != Found::Eds {
                continue;
            }
            for (index, subset) in spec.subsets.iter().enumerate() {
                if !self.has_endpoints(service, &subset.labels) {
                    let labels = shown(&subset.labels);
                    let message = format!("no endpoint of {host} has the labels {labels}");
                    let path = format!("spec.subsets[{index}].labels");
                    to.push(info(object, &path, Code::NoEndpoints, message));
                }
            }
        }
    }

    /// Hosts that DNS must know and that must be reachable from the proxies.
    pub(super) fn entries(&self, to: &mut Vec<Diagnostic>) {
        for (object, spec) in self.objects.service_entries() {
            let dns = match spec.resolution {
                Resolution::Dns | Resolution::DnsRoundRobin | Resolution::DynamicDns => true,
                Resolution::None | Resolution::Static => false,
            };
            for (index, host) in spec.hosts.iter().enumerate().filter(|_| dns && spec.endpoints.is_empty()) {
                let message = format!("calls need a DNS that knows {host}, and a way from the proxies to it");
                to.push(info(object, &format!("spec.hosts[{index}]"), Code::OutsideNeeded, message));
            }
            for (index, entry) in spec.endpoints.iter().enumerate() {
                let Some(address) = entry.address.as_deref().filter(|_| dns) else { continue };
                if address.starts_with("unix://") || address.parse::<std::net::IpAddr>().is_ok() {
                    continue;
                }
                let message =
                    format!("calls need a DNS that knows {address}, and a way from the proxies to it");
                let path = format!("spec.endpoints[{index}].address");
                to.push(info(object, &path, Code::OutsideNeeded, message));
            }
        }
    }

    /// Hosts that a Sidecar imports and nobody has.
    pub(super) fn sidecars(&self, to: &mut Vec<Diagnostic>) {
        for (object, spec) in self.objects.sidecars() {
            let own = &*object.reference.namespace;
            for (index, listener) in spec.egress.iter().enumerate() {
                for (at, text) in listener.hosts.iter().enumerate() {
                    let Some((of, wanted)) = text.split_once('/') else { continue };
                    let wanted = wanted.trim_end_matches('.').to_ascii_lowercase();
                    if wanted.starts_with('*') || of == "~" {
                        continue;
                    }
                    let of = if of == "." { own } else { of };
                    let here = |namespace: &str| of == "*" || of == namespace;
                    let served = self.registry.of_host(&wanted).any(|service| here(&service.namespace));
                    let routed = || {
                        let mut views = self.virtual_services.iter().filter(|view| here(&view.namespace));
                        views.any(|view| view.hosts.iter().any(|host| host::meets(host, &wanted)))
                    };
                    if !served && !routed() {
                        let message = format!("there is no service of host {wanted} in {of}");
                        let path = format!("spec.egress[{index}].hosts[{at}]");
                        let warning = warning(object, &path, Code::UnknownHost, message);
                        to.push(Diagnostic { hint: self.meant(&wanted), ..warning });
                    }
                }
            }
        }
    }
}
