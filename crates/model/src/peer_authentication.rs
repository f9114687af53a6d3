//! Whether callers must use mutual TLS (PA rows).

use std::collections::BTreeMap;

use weft_api::Object;
use weft_api::istio::PeerAuthentication;
use weft_api::istio::peer_authentication::{MutualTls, MutualTlsMode};

use crate::Labels;
use crate::objects::Objects;
use crate::selection::Selections;

/// What a port takes in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum MtlsMode {
    /// Plaintext only.
    Disable,
    /// Plaintext and mutual TLS.
    #[default]
    Permissive,
    /// Mutual TLS only.
    Strict,
}

/// What the ports of a workload take in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeerMtls {
    /// Ports that are not named.
    pub default: MtlsMode,
    /// By port of the workload (PA-02).
    pub ports: BTreeMap<u16, MtlsMode>,
}

impl PeerMtls {
    /// What a port of the workload takes in.
    #[must_use]
    pub fn of(&self, port: u16) -> MtlsMode {
        self.ports.get(&port).copied().unwrap_or(self.default)
    }
}

/// PeerAuthentications by namespace.
#[derive(Debug, Default)]
pub(crate) struct PeerAuthentications {
    by_namespace: Selections,
}

fn spec(object: &Object) -> Option<&PeerAuthentication> {
    match &object.spec {
        weft_api::Spec::PeerAuthentication(spec) => Some(spec),
        _ => None,
    }
}

pub(crate) fn selector(spec: &PeerAuthentication) -> Option<&Labels> {
    spec.selector.as_ref().map(|selector| &selector.match_labels).filter(|labels| !labels.is_empty())
}

impl PeerAuthentications {
    pub(crate) fn new(objects: &Objects) -> Self {
        let all = objects.peer_authentications();
        Self { by_namespace: Selections::new(all.map(|(object, spec)| (object, selector(spec)))) }
    }

    fn whole(&self, namespace: &str) -> Option<&PeerAuthentication> {
        self.by_namespace.whole(namespace).and_then(|object| spec(object))
    }

    /// Mesh, then namespace, then workload; each level that says nothing takes the one above (PA-01).
    pub(crate) fn resolve(
        &self,
        namespace: &str,
        labels: &Labels,
        root: &str,
        default: MtlsMode,
    ) -> PeerMtls {
        let mesh = self.whole(root).map_or(default, |spec| or(spec.mtls.as_ref(), default));
        let whole = self.whole(namespace).map_or(mesh, |spec| or(spec.mtls.as_ref(), mesh));
        let own = self.by_namespace.selecting(namespace, labels).and_then(|object| spec(object));
        let Some(own) = own else { return PeerMtls { default: whole, ports: BTreeMap::new() } };
        let default = or(own.mtls.as_ref(), whole);
        let ports = own.port_level_mtls.iter();
        let ports = ports.filter_map(|(port, mtls)| Some((port.parse().ok()?, or(Some(mtls), default))));
        PeerMtls { default, ports: ports.collect() }
    }
}

/// The mode, or that of the level above.
fn or(mtls: Option<&MutualTls>, above: MtlsMode) -> MtlsMode {
    match mtls.map_or(MutualTlsMode::Unset, |mtls| mtls.mode) {
        MutualTlsMode::Unset => above,
        MutualTlsMode::Disable => MtlsMode::Disable,
        MutualTlsMode::Permissive => MtlsMode::Permissive,
        MutualTlsMode::Strict => MtlsMode::Strict,
    }
}
