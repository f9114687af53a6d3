//! An object: what it is called, where it came from, what it says.

use std::collections::BTreeMap;
use std::fmt;

use weft_types::Name;

use crate::istio::{
    AuthorizationPolicy, DestinationRule, Gateway, PeerAuthentication, ServiceEntry, Sidecar, VirtualService,
    WorkloadEntry,
};
use crate::kind::Kind;
use crate::kube::{Deployment, EndpointSlice, Namespace, Node, Pod, Service, ServiceAccount};
use crate::places::Places;

/// The namespace of objects that name none.
pub const DEFAULT_NAMESPACE: &str = "default";

/// What an object is called: no two objects of one source share it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectRef {
    /// Kind.
    pub kind: Kind,
    /// Namespace; empty for kinds that live in none.
    pub namespace: Name,
    /// Name.
    pub name: Name,
}

impl ObjectRef {
    /// The object of that kind, namespace and name.
    #[must_use]
    pub fn new(kind: Kind, namespace: &str, name: &str) -> Self {
        let namespace = if kind.is_namespaced() { namespace } else { "" };
        Self { kind, namespace: namespace.into(), name: name.into() }
    }
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, namespace, name } = self;
        if namespace.is_empty() { write!(f, "{kind} {name}") } else { write!(f, "{kind} {namespace}/{name}") }
    }
}

/// The part of the world that an object speaks of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    /// Cluster; Istio's default is `Kubernetes`.
    pub cluster: Name,
    /// Network; empty is the default network.
    pub network: Name,
    /// Trust domain of identities; Istio's default is `cluster.local`.
    pub trust_domain: Name,
}

impl Default for Origin {
    fn default() -> Self {
        Self { cluster: "Kubernetes".into(), network: "".into(), trust_domain: "cluster.local".into() }
    }
}

/// Where an object was written.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Source {
    /// File; empty for what came from no file.
    pub file: Name,
    /// Line of the document's first value, from 1.
    pub line: u32,
    /// Where the fields of its `spec` stand; known for Istio's kinds and Services.
    pub places: Places,
}

/// What an object says of itself beside its name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Meta {
    /// Labels, by which selectors find the object.
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    pub annotations: BTreeMap<String, String>,
    /// `metadata.creationTimestamp` as written (RFC 3339, so that texts order as times do); where two
    /// objects contend, Istio lets the older win.
    pub created: Option<String>,
    /// The object is being deleted (`metadata.deletionTimestamp` is set).
    pub deleting: bool,
}

/// One accepted object.
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    /// Kind, namespace and name.
    pub reference: ObjectRef,
    /// Cluster, network and trust domain.
    pub origin: Origin,
    /// Labels and annotations.
    pub meta: Meta,
    /// File and line.
    pub source: Source,
    /// Counts the versions of the object: `metadata.generation`, or what its source counted; from 1.
    pub generation: u64,
    /// What it says.
    pub spec: Spec,
}

impl Object {
    /// Whether both say the same, wherever and for the how-manieth time they say it.
    #[must_use]
    pub fn same_content(&self, other: &Self) -> bool {
        let Self { reference, origin, meta, source: _, generation: _, spec } = self;
        *reference == other.reference && *origin == other.origin && *meta == other.meta && *spec == other.spec
    }
}

macro_rules! specs {
    ($($kind:ident),* $(,)?) => {
        /// What an object says, by kind.
        #[derive(Clone, Debug, PartialEq)]
        #[non_exhaustive]
        #[allow(clippy::large_enum_variant, reason = "objects are shared by pointer, never moved in bulk")]
        #[expect(missing_docs, reason = "the kinds are described at their types")]
        pub enum Spec { $($kind($kind),)* }

        $(
            impl From<$kind> for Spec {
                fn from(spec: $kind) -> Self {
                    Self::$kind(spec)
                }
            }
        )*

        impl Spec {
            /// The kind.
            #[must_use]
            pub fn kind(&self) -> Kind {
                match self { $(Self::$kind(_) => Kind::$kind,)* }
            }
        }
    };
}

specs!(
    VirtualService,
    DestinationRule,
    Gateway,
    ServiceEntry,
    WorkloadEntry,
    Sidecar,
    PeerAuthentication,
    AuthorizationPolicy,
    Namespace,
    Node,
    Service,
    Pod,
    Deployment,
    ServiceAccount,
    EndpointSlice,
);
