//! What calls to a cluster are wrapped in (DR-14, DR-15, DR-17, SD-10, SD-11).

use std::collections::BTreeSet;

use weft_api::istio::traffic_policy::{ClientTls, ClientTlsMode, ProxyVersion};
use weft_model::MtlsMode;
use weft_model::endpoint::{Endpoint, EndpointAddress};
use weft_model::mesh::MeshConfig;
use weft_model::service::{Registry, Service, ServicePort};

use super::name;
use super::policy::Policy;
use super::pool::HttpVersion;
use crate::view::View;

/// Set on pods whose proxy takes HBONE on port 15008 (`http`).
const TUNNEL_LABEL: &str = "networking.istio.io/tunnel";

/// What calls are wrapped in.
#[derive(Clone, Debug, PartialEq)]
pub enum Transport<'r> {
    /// Nothing.
    Plain,
    /// Istio's mutual TLS toward endpoints that take it, nothing toward others (SD-11).
    Auto(Mutual),
    /// Istio's mutual TLS.
    Mutual(Mutual),
    /// TLS as the rule says.
    ///
    /// With the names that the server must have: the rule's, else those of the ServiceEntry (SE rows).
    Tls(&'r ClientTls, Vec<String>),
}

/// Istio's mutual TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mutual {
    /// Server name.
    pub server_name: String,
    /// Identities of which the endpoint must have one; any of the mesh if empty.
    pub identities: Vec<String>,
}

impl<'r> Transport<'r> {
    /// The transport of a cluster. `chosen_by_caller`: its endpoints are not listed, so that nothing can
    /// be known of the one that is called.
    #[must_use]
    pub fn of(
        view: &View<'_>,
        service: &Service,
        port: &ServicePort,
        subset: &str,
        policy: &Policy<'r>,
        chosen_by_caller: bool,
    ) -> Self {
        let mutual = |sni: Option<&String>, names: &[String]| Mutual {
            server_name: sni
                .filter(|sni| !sni.is_empty())
                .cloned()
                .unwrap_or_else(|| name::server_name(port.number, subset, &service.host)),
            identities: if names.is_empty() { identities(view, service, port) } else { names.to_vec() },
        };
        if let Some(tls) = policy.tls {
            return match tls.mode {
                ClientTlsMode::Disable => Self::Plain,
                ClientTlsMode::Simple | ClientTlsMode::Mutual => {
                    let of_entry = tls.subject_alt_names.is_empty() && service.registry == Registry::External;
                    let names = if of_entry { &service.subject_alt_names } else { &tls.subject_alt_names };
                    Self::Tls(tls, names.clone())
                }
                ClientTlsMode::IstioMutual => Self::Mutual(mutual(tls.sni.as_ref(), &tls.subject_alt_names)),
            };
        }
        if service.external || !view.mesh.auto_mtls {
            return Self::Plain;
        }
        if !chosen_by_caller {
            return Self::Auto(mutual(None, &[]));
        }
        // Nothing tells the endpoints apart at run time: TLS only if all of them take it.
        let endpoints = view.endpoints(service, port.number);
        if !endpoints.is_empty() && endpoints.iter().all(|endpoint| takes_mutual_tls(view, endpoint)) {
            Self::Mutual(mutual(None, &[]))
        } else {
            Self::Plain
        }
    }

    /// Whether calls are wrapped in TLS that is not the mesh's, so that ALPN of the mesh must not be
    /// offered there.
    #[must_use]
    pub fn is_foreign_tls(&self) -> bool {
        matches!(self, Self::Tls(..))
    }

    /// Whether calls may be wrapped in the mesh's own TLS.
    #[must_use]
    pub fn is_istio(&self) -> bool {
        matches!(self, Self::Auto(_) | Self::Mutual(_))
    }

    /// Whether the server name must come from each request.
    #[must_use]
    pub fn needs_server_name(&self, http: Option<HttpVersion>) -> bool {
        matches!(self, Self::Tls(tls, _) if tls.sni.as_deref().unwrap_or_default().is_empty())
            && http.is_some()
    }
}

/// Whether an endpoint takes Istio's mutual TLS: it has a proxy, and no PeerAuthentication forbids it.
#[must_use]
pub fn takes_mutual_tls(view: &View<'_>, endpoint: &Endpoint) -> bool {
    endpoint.mtls
        && view.snapshot.peer_mtls(&endpoint.namespace, &endpoint.labels).of(endpoint.port)
            != MtlsMode::Disable
}

/// Whether an endpoint's proxy takes HBONE: its pod says so, as those of ambient proxies do, and the address is
/// the proxy's own.
#[must_use]
pub fn takes_hbone(view: &View<'_>, endpoint: &Endpoint) -> bool {
    endpoint.labels.get(TUNNEL_LABEL).is_some_and(|protocol| protocol == "http")
        && matches!(endpoint.address, EndpointAddress::Ip(_))
        && endpoint.network == view.proxy.network
        && takes_mutual_tls(view, endpoint)
}

/// PROXY header that endpoints get first: version 1 or 2.
#[must_use]
pub(super) fn proxy_header(policy: &Policy<'_>) -> Option<ProxyVersion> {
    policy.proxy_protocol.map(|proxy| proxy.version)
}

/// Identities that may serve a port: of its endpoints, in each of the mesh's trust domains, and those of
/// the ServiceEntry.
fn identities(view: &View<'_>, service: &Service, port: &ServicePort) -> Vec<String> {
    let mut names: BTreeSet<String> = service.subject_alt_names.iter().cloned().collect();
    for identity in view.endpoints(service, port.number).iter().filter_map(|e| e.identity.as_ref()) {
        names.insert(identity.to_string());
        if is_of_mesh(view.mesh, &identity.trust_domain) {
            for domain in std::iter::once(&view.mesh.trust_domain).chain(&view.mesh.trust_domain_aliases) {
                names.insert(format!(
                    "spiffe://{domain}/ns/{}/sa/{}",
                    identity.namespace, identity.service_account
                ));
            }
        }
    }
    names.into_iter().collect()
}

fn is_of_mesh(mesh: &MeshConfig, domain: &str) -> bool {
    *mesh.trust_domain == *domain || mesh.trust_domain_aliases.iter().any(|alias| **alias == *domain)
}
