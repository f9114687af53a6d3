//! Which configuration object a resource came from.

use std::fmt;

/// The object behind a piece of compiled configuration. The control plane writes it into
/// `filter_metadata["weft.dev"]` of each resource (Envoy ignores it); the proxy names it in details.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Provenance {
    /// Kind, for example `VirtualService`.
    pub kind: String,
    /// Namespace; empty for cluster-wide objects.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Field path within the object, for example `spec.http[0].route[1]`.
    pub field: String,
    /// `metadata.generation`, or the generation of the snapshot where there is none.
    pub generation: u64,
}

impl fmt::Display for Provenance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.kind, self.namespace, self.name)?;
        if !self.field.is_empty() {
            write!(f, ":{}", self.field)?;
        }
        Ok(())
    }
}
