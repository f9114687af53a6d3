//! The kinds of objects, and how documents name them.

use std::fmt;

/// A kind that Weft reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// `networking.istio.io` VirtualService: routes (VS rows).
    VirtualService,
    /// `networking.istio.io` DestinationRule: subsets and how to talk to a host (DR rows).
    DestinationRule,
    /// `networking.istio.io` Gateway: ports that a gateway opens (GW rows).
    Gateway,
    /// `networking.istio.io` ServiceEntry: hosts beside those of Kubernetes (SE rows).
    ServiceEntry,
    /// `networking.istio.io` WorkloadEntry: a workload that is no pod (WE rows).
    WorkloadEntry,
    /// `networking.istio.io` Sidecar: what a proxy sees and opens (SC rows).
    Sidecar,
    /// `security.istio.io` PeerAuthentication: mutual TLS, taken in (PA rows).
    PeerAuthentication,
    /// `security.istio.io` AuthorizationPolicy: who may call what (AP rows).
    AuthorizationPolicy,
    /// Kubernetes Namespace.
    Namespace,
    /// Kubernetes Node: where its pods are.
    Node,
    /// Kubernetes Service.
    Service,
    /// Kubernetes Pod.
    Pod,
    /// Kubernetes Deployment.
    Deployment,
    /// Kubernetes ServiceAccount.
    ServiceAccount,
    /// Kubernetes EndpointSlice.
    EndpointSlice,
}

/// Group and versions of the kinds, and whose they are.
const KINDS: &[(Kind, &str, &str, &[&str])] = &[
    (Kind::VirtualService, "VirtualService", NETWORKING, NETWORKING_VERSIONS),
    (Kind::DestinationRule, "DestinationRule", NETWORKING, NETWORKING_VERSIONS),
    (Kind::Gateway, "Gateway", NETWORKING, NETWORKING_VERSIONS),
    (Kind::ServiceEntry, "ServiceEntry", NETWORKING, NETWORKING_VERSIONS),
    (Kind::WorkloadEntry, "WorkloadEntry", NETWORKING, NETWORKING_VERSIONS),
    (Kind::Sidecar, "Sidecar", NETWORKING, NETWORKING_VERSIONS),
    (Kind::PeerAuthentication, "PeerAuthentication", SECURITY, SECURITY_VERSIONS),
    (Kind::AuthorizationPolicy, "AuthorizationPolicy", SECURITY, SECURITY_VERSIONS),
    (Kind::Namespace, "Namespace", "", &["v1"]),
    (Kind::Node, "Node", "", &["v1"]),
    (Kind::Service, "Service", "", &["v1"]),
    (Kind::Pod, "Pod", "", &["v1"]),
    (Kind::Deployment, "Deployment", "apps", &["v1"]),
    (Kind::ServiceAccount, "ServiceAccount", "", &["v1"]),
    (Kind::EndpointSlice, "EndpointSlice", "discovery.k8s.io", &["v1"]),
];

const NETWORKING: &str = "networking.istio.io";
const SECURITY: &str = "security.istio.io";
const NETWORKING_VERSIONS: &[&str] = &["v1", "v1beta1", "v1alpha3"];
const SECURITY_VERSIONS: &[&str] = &["v1", "v1beta1"];

/// Kinds of Istio that are not read yet: they must not pass for misspellings.
const OTHERS_OF_ISTIO: &[&str] = &[
    "EnvoyFilter",
    "ProxyConfig",
    "RequestAuthentication",
    "Telemetry",
    "TrafficExtension",
    "WasmPlugin",
    "WorkloadGroup",
];

/// What apiVersion and kind of a document mean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Recognized {
    /// A kind that is read.
    Read(Kind),
    /// A kind of somebody else, or one that is not read yet.
    NotRead,
    /// One of Istio's groups has no such kind or version; what may be meant.
    Unknown { hint: Option<String> },
}

impl Kind {
    /// Every kind.
    pub fn all() -> impl Iterator<Item = Self> {
        KINDS.iter().map(|(kind, ..)| *kind)
    }

    /// The name, as documents write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().1
    }

    /// The API group; empty for Kubernetes' core group.
    #[must_use]
    pub fn group(self) -> &'static str {
        self.row().2
    }

    /// The versions that documents may name, preferred first; they differ in nothing.
    #[must_use]
    pub fn versions(self) -> &'static [&'static str] {
        self.row().3
    }

    /// Whether the kind is Istio's, so that every field of it must be known.
    #[must_use]
    pub fn is_istio(self) -> bool {
        self.group().ends_with(".istio.io")
    }

    /// Whether objects of the kind live in namespaces.
    #[must_use]
    pub fn is_namespaced(self) -> bool {
        !matches!(self, Self::Namespace | Self::Node)
    }

    fn row(self) -> &'static (Self, &'static str, &'static str, &'static [&'static str]) {
        let row = KINDS.iter().find(|(kind, ..)| *kind == self);
        // Every variant has a row, which a test holds; the first is never the answer.
        row.unwrap_or(&KINDS[0])
    }

    /// Looks up apiVersion and kind of a document.
    pub(crate) fn recognize(api_version: &str, kind: &str) -> Recognized {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let of_group = KINDS.iter().filter(|(_, _, theirs, _)| *theirs == group);
        let istio = group.ends_with(".istio.io") || group == "istio.io";
        for (found, name, _, versions) in of_group.clone() {
            if *name == kind {
                return if versions.contains(&version) {
                    Recognized::Read(*found)
                } else {
                    let hint = format!("use {group}/{}", versions[0]).replace("use /", "use ");
                    Recognized::Unknown { hint: Some(hint) }
                };
            }
        }
        if !istio || OTHERS_OF_ISTIO.contains(&kind) {
            return Recognized::NotRead;
        }
        if let Some((_, name, theirs, versions)) = KINDS.iter().find(|(_, name, ..)| *name == kind) {
            let hint = format!("{name} is of {theirs}/{}", versions[0]);
            return Recognized::Unknown { hint: Some(hint) };
        }
        let names = of_group.map(|(_, name, ..)| *name);
        let hint = crate::decode::nearest(kind, names).map(|name| format!("did you mean {name}?"));
        Recognized::Unknown { hint }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_own_row_and_is_found_by_each_of_its_versions() {
        for kind in Kind::all() {
            assert_eq!(kind.row().0, kind);
            for version in kind.versions() {
                let api = if kind.group().is_empty() {
                    (*version).to_owned()
                } else {
                    format!("{}/{version}", kind.group())
                };
                assert_eq!(Kind::recognize(&api, kind.name()), Recognized::Read(kind), "{api}");
            }
        }
        assert_eq!(Kind::all().last(), Some(Kind::EndpointSlice));
    }

    #[test]
    fn the_gateway_of_the_gateway_api_is_not_istios() {
        assert_eq!(Kind::recognize("gateway.networking.k8s.io/v1", "Gateway"), Recognized::NotRead);
        assert_eq!(Kind::recognize("networking.istio.io/v1", "EnvoyFilter"), Recognized::NotRead);
    }

    #[test]
    fn misspellings_within_istios_groups_are_told() {
        let hint = |api, kind| match Kind::recognize(api, kind) {
            Recognized::Unknown { hint } => hint.unwrap_or_default(),
            other => format!("{other:?}"),
        };
        assert_eq!(hint("networking.istio.io/v1", "VirtualServce"), "did you mean VirtualService?");
        assert_eq!(hint("networking.istio.io/v2", "Gateway"), "use networking.istio.io/v1");
        assert_eq!(hint("security.istio.io/v1", "Gateway"), "Gateway is of networking.istio.io/v1");
        assert_eq!(hint("apps/v1beta1", "Deployment"), "use apps/v1");
        assert_eq!(hint("v2", "Service"), "use v1");
    }
}
