//! What conversion has to say about a resource.

use std::fmt;

use weft_types::Name;

/// One remark on one field of one resource (invariant 2: nothing is ignored in silence).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The resource.
    pub resource: ResourceRef,
    /// The field within it, for example `filter_chains[0].filters[1].typed_config.route_config`.
    /// Empty: the resource as a whole. A missing field is reported at the object that lacks it.
    pub path: String,
    /// What became of it.
    pub class: FindingClass,
    /// Why, in words.
    pub reason: String,
    /// What to write instead, where that is known.
    pub hint: Option<&'static str>,
}

/// What became of a field that is not simply implemented.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FindingClass {
    /// Accepted; it has no effect on routing, security or reliability here.
    Ignored,
    /// The resource is refused (a NACK on xDS): the value is invalid, or it would change where
    /// traffic goes, who may send it or how it is protected, and is not implemented.
    Refused,
}

/// Kinds of resources.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ResourceKind {
    /// The bootstrap itself, outside its static resources.
    Bootstrap,
    /// `envoy.config.listener.v3.Listener`
    Listener,
    /// `envoy.config.route.v3.RouteConfiguration`
    RouteConfiguration,
    /// `envoy.config.cluster.v3.Cluster`
    Cluster,
    /// `envoy.config.endpoint.v3.ClusterLoadAssignment`
    ClusterLoadAssignment,
    /// `envoy.extensions.transport_sockets.tls.v3.Secret`
    Secret,
}

impl ResourceKind {
    /// The message's short name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bootstrap => "Bootstrap",
            Self::Listener => "Listener",
            Self::RouteConfiguration => "RouteConfiguration",
            Self::Cluster => "Cluster",
            Self::ClusterLoadAssignment => "ClusterLoadAssignment",
            Self::Secret => "Secret",
        }
    }
}

/// A resource by kind and name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ResourceRef {
    /// Kind.
    pub kind: ResourceKind,
    /// Name; may be empty.
    pub name: Name,
}

impl Finding {
    /// Whether the resource is refused because of it.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.class == FindingClass::Refused
    }
}

impl fmt::Display for ResourceRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", self.kind.as_str(), self.name)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.class {
            FindingClass::Ignored => "ignored",
            FindingClass::Refused => "refused",
        };
        write!(f, "{word}: {}", self.resource)?;
        if !self.path.is_empty() {
            write!(f, " at {}", self.path)?;
        }
        write!(f, ": {}", self.reason)?;
        if let Some(hint) = self.hint {
            write!(f, " ({hint})")?;
        }
        Ok(())
    }
}
