//! The kinds that are watched.

use kube::api::ApiResource;

/// A kind as the API server names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watched {
    /// Group; empty for the core group.
    pub group: &'static str,
    /// Version that is asked for.
    pub version: &'static str,
    /// Kind.
    pub kind: &'static str,
    /// Name in paths.
    pub plural: &'static str,
}

const fn row(
    group: &'static str,
    version: &'static str,
    kind: &'static str,
    plural: &'static str,
) -> Watched {
    Watched { group, version, kind, plural }
}

const NETWORKING: &str = "networking.istio.io";
const SECURITY: &str = "security.istio.io";
const EXTENSIONS: &str = "extensions.istio.io";
const TELEMETRY: &str = "telemetry.istio.io";

/// Every kind that is watched: what services are made of (CP-07), and all of Istio's, also those that have no
/// effect here, so that it is said of each object. `v1` is asked for where it is served; versions differ in nothing.
pub const WATCHED: [Watched; 20] = [
    row("", "v1", "Namespace", "namespaces"),
    row("", "v1", "Node", "nodes"),
    row("", "v1", "Service", "services"),
    row("", "v1", "Pod", "pods"),
    row("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices"),
    row(NETWORKING, "v1", "VirtualService", "virtualservices"),
    row(NETWORKING, "v1", "DestinationRule", "destinationrules"),
    row(NETWORKING, "v1", "Gateway", "gateways"),
    row(NETWORKING, "v1", "ServiceEntry", "serviceentries"),
    row(NETWORKING, "v1", "WorkloadEntry", "workloadentries"),
    row(NETWORKING, "v1", "WorkloadGroup", "workloadgroups"),
    row(NETWORKING, "v1", "Sidecar", "sidecars"),
    row(NETWORKING, "v1alpha3", "EnvoyFilter", "envoyfilters"),
    row(NETWORKING, "v1beta1", "ProxyConfig", "proxyconfigs"),
    row(SECURITY, "v1", "PeerAuthentication", "peerauthentications"),
    row(SECURITY, "v1", "AuthorizationPolicy", "authorizationpolicies"),
    row(SECURITY, "v1", "RequestAuthentication", "requestauthentications"),
    row(EXTENSIONS, "v1alpha1", "WasmPlugin", "wasmplugins"),
    row(EXTENSIONS, "v1alpha1", "TrafficExtension", "trafficextensions"),
    row(TELEMETRY, "v1", "Telemetry", "telemetries"),
];

impl Watched {
    /// `group/version`, or the version alone.
    #[must_use]
    pub fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.to_owned()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    /// As the client wants it.
    #[must_use]
    pub(crate) fn resource(&self) -> ApiResource {
        ApiResource {
            group: self.group.to_owned(),
            version: self.version.to_owned(),
            api_version: self.api_version(),
            kind: self.kind.to_owned(),
            plural: self.plural.to_owned(),
        }
    }
}
