//! What VirtualServices name (VS-02, VS-13).

use std::collections::HashMap;
use std::sync::Arc;

use weft_api::istio::gateway::Server;
use weft_api::istio::virtual_service::{Destination, MESH, RouteDestination};
use weft_api::value::label::selects;
use weft_api::{Code, Diagnostic, Object, Spec};

use super::{Together, warning};
use crate::destination_rule::DestinationRuleView;
use crate::service::{Resolution, Service};
use crate::virtual_service::VirtualServiceView;
use crate::{Labels, host};

/// DestinationRules of every namespace by host.
type Rules<'s> = HashMap<&'s str, Vec<&'s Arc<DestinationRuleView>>>;

impl Together<'_> {
    pub(super) fn routes(&self, to: &mut Vec<Diagnostic>) {
        let mut rules: Rules<'_> = HashMap::new();
        for view in self.destination_rules.all() {
            rules.entry(&view.host).or_default().push(view);
        }
        for view in self.virtual_services {
            self.gateways_of(view, to);
            self.destinations_of(view, &rules, to);
        }
    }

    /// Gateways that a VirtualService names, in its own words.
    fn gateways_of(&self, view: &VirtualServiceView, to: &mut Vec<Diagnostic>) {
        let spec = &view.spec;
        for (index, name) in spec.gateways.iter().enumerate() {
            self.gateway(view, &view.object, name, &format!("spec.gateways[{index}]"), to);
        }
        let http = spec.http.iter().zip(&view.http_origins).flat_map(|(rule, origin)| {
            let own = Arc::ptr_eq(&origin.object, &view.object);
            let matches = rule.matches.iter().enumerate().filter(move |_| own);
            matches
                .map(move |(at, rule)| (format!("spec.http[{}].match[{at}]", origin.index), &rule.gateways))
        });
        let tls = spec.tls.iter().enumerate().flat_map(|(index, rule)| {
            let matches = rule.matches.iter().enumerate();
            matches.map(move |(at, rule)| (format!("spec.tls[{index}].match[{at}]"), &rule.gateways))
        });
        let tcp = spec.tcp.iter().enumerate().flat_map(|(index, rule)| {
            let matches = rule.matches.iter().enumerate();
            matches.map(move |(at, rule)| (format!("spec.tcp[{index}].match[{at}]"), &rule.gateways))
        });
        for (path, names) in http.chain(tls).chain(tcp) {
            for (index, name) in names.iter().enumerate() {
                self.gateway(view, &view.object, name, &format!("{path}.gateways[{index}]"), to);
            }
        }
    }

    fn gateway(
        &self,
        view: &VirtualServiceView,
        object: &Arc<Object>,
        name: &str,
        path: &str,
        to: &mut Vec<Diagnostic>,
    ) {
        if name == MESH {
            return;
        }
        let Some(gateway) = self.gateways.get(name) else {
            let message = format!("there is no Gateway {name}");
            to.push(warning(object, path, Code::UnknownGateway, message));
            return;
        };
        let Spec::Gateway(spec) = &gateway.spec else { return };
        let namespace = &gateway.reference.namespace;
        let serves = |server: &Server| {
            let mut hosts = server.hosts.iter();
            hosts.any(|text| view.hosts.iter().any(|host| serves(text, namespace, host, &view.namespace)))
        };
        if !spec.servers.iter().any(serves) {
            let message = format!("{} serves none of the hosts", gateway.reference);
            to.push(warning(object, path, Code::UnknownHost, message));
        }
    }

    fn destinations_of(&self, view: &VirtualServiceView, rules: &Rules<'_>, to: &mut Vec<Diagnostic>) {
        let spec = &view.spec;
        for (rule, origin) in spec.http.iter().zip(&view.http_origins) {
            let path = format!("spec.http[{}]", origin.index);
            let destinations = rule.route.iter().enumerate();
            let destinations = destinations
                .map(|(at, route)| (format!("{path}.route[{at}].destination"), &route.destination));
            let mirrors = rule.mirrors.iter().enumerate();
            let mirrors = mirrors
                .map(|(at, mirror)| (format!("{path}.mirrors[{at}].destination"), &mirror.destination));
            let mirror = rule.mirror.iter().map(|mirror| (format!("{path}.mirror"), mirror));
            for (path, destination) in destinations.chain(mirrors).chain(mirror) {
                self.destination(view, &origin.object, destination, &path, rules, to);
            }
        }
        let tls = spec.tls.iter().map(|rule| &rule.route).enumerate().map(|(at, routes)| ("tls", at, routes));
        let tcp = spec.tcp.iter().map(|rule| &rule.route).enumerate().map(|(at, routes)| ("tcp", at, routes));
        for (kind, index, routes) in tls.chain(tcp) {
            for (at, RouteDestination { destination, weight: _ }) in routes.iter().enumerate() {
                let path = format!("spec.{kind}[{index}].route[{at}].destination");
                self.destination(view, &view.object, destination, &path, rules, to);
            }
        }
    }

    fn destination(
        &self,
        view: &VirtualServiceView,
        object: &Arc<Object>,
        destination: &Destination,
        path: &str,
        rules: &Rules<'_>,
        to: &mut Vec<Diagnostic>,
    ) {
        let host = destination.host.as_str();
        let mut say = |field: &str, code, message: String, hint| {
            to.push(Diagnostic { hint, ..warning(object, &format!("{path}.{field}"), code, message) });
        };
        let Some(service) = self.registry.visible(host, &view.namespace) else {
            let message = match self.registry.of_host(host).next() {
                Some(hidden) => {
                    format!("{} does not export {host} to {}", hidden.object.reference, view.namespace)
                }
                None => format!("there is no service of host {host}; calls get 503"),
            };
            say("host", Code::UnknownHost, message, self.meant(host));
            return;
        };
        let port = destination.port_number().map(weft_api::value::Port::number);
        if let Some(port) = port
            && service.port(port).is_none()
        {
            let known: Vec<String> = service.ports.iter().map(|port| port.number.to_string()).collect();
            let hint = (!known.is_empty()).then(|| format!("it has {}", known.join(", ")));
            say("port", Code::UnknownPort, format!("{host} has no port {port}"), hint);
        }
        let Some(subset) = destination.subset.as_deref().filter(|subset| !subset.is_empty()) else { return };
        let candidates: Vec<_> = host::candidates(host).collect();
        let of_host = candidates.iter().filter_map(|candidate| rules.get(candidate.as_str())).flatten();
        let known: Vec<_> = of_host.flat_map(|view| &view.spec.subsets).collect();
        let Some(defined) = known.iter().find(|known| known.name == subset) else {
            let mut names: Vec<_> = known.iter().map(|known| known.name.as_str()).collect();
            names.sort_unstable();
            names.dedup();
            let hint = if names.is_empty() {
                "no DestinationRule of the host has subsets".to_owned()
            } else {
                format!("there are {}", names.join(", "))
            };
            let message = format!("no DestinationRule defines subset {subset} of {host}; calls get 503 NC");
            say("subset", Code::UnknownSubset, message, Some(hint));
            return;
        };
        if service.resolution == Resolution::Eds && !self.has_endpoints(service, &defined.labels) {
            let labels = shown(&defined.labels);
            let message = format!(
                "no endpoint of {host} has the labels of subset {subset}, {labels}; calls get 503 UH"
            );
            say("subset", Code::NoEndpoints, message, None);
        }
    }

    /// Whether any endpoint of a service has these labels.
    pub(super) fn has_endpoints(&self, service: &Service, labels: &Labels) -> bool {
        let ports = service.ports.iter();
        let mut endpoints = ports.flat_map(|port| self.registry.endpoints(service, port.number));
        endpoints.any(|endpoint| selects(labels, &endpoint.labels))
    }

    /// What may be meant by a host that is not known: a service of that name elsewhere.
    pub(super) fn meant(&self, host: &str) -> Option<String> {
        let name = host.split('.').next().filter(|name| !name.contains('*'))?;
        let mut alike = self.registry.services().filter(|service| &*service.name == name);
        alike.next().map(|service| format!("did you mean {}?", service.host))
    }
}

/// Labels in words.
pub(super) fn shown(labels: &Labels) -> String {
    let pairs: Vec<String> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    pairs.join(",")
}

/// Whether a server of a gateway takes routes for a host from a namespace (GW-02).
fn serves(text: &str, gateway_namespace: &str, host: &str, namespace: &str) -> bool {
    let (of, server) = text.split_once('/').unwrap_or(("*", text));
    let of = if of == "." { gateway_namespace } else { of };
    (of == "*" || of == namespace) && host::meets(&server.to_ascii_lowercase(), host)
}
