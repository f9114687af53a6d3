//! Trust domains that are one mesh (AP-09).

use weft_types::Name;

/// How many parts `TRUST_DOMAIN/ns/NAMESPACE/sa/ACCOUNT` has.
const IDENTITY_PARTS: usize = 5;
/// The trust domain that stands for the local one, whatever it is called.
const LOCAL: &str = "cluster.local";

/// The mesh's trust domain and its aliases.
#[derive(Clone, Debug)]
pub struct TrustDomains {
    names: Vec<Name>,
}

impl TrustDomains {
    /// The local trust domain, and what else it is or was called.
    #[must_use]
    pub fn new(local: &Name, aliases: &[Name]) -> Self {
        let mut names = vec![local.clone()];
        for alias in aliases {
            if !names.contains(alias) {
                names.push(alias.clone());
            }
        }
        Self { names }
    }

    /// All names, the local one first.
    #[must_use]
    pub fn names(&self) -> &[Name] {
        &self.names
    }

    /// What a principal of a policy stands for: an identity of the mesh is that of each of its names.
    /// A principal that does not name a trust domain, or names a foreign one, stays as it is.
    #[must_use]
    pub fn expand(&self, principal: &str) -> Vec<String> {
        let Some((domain, rest)) = principal.split_once('/') else { return vec![principal.to_owned()] };
        let whole = principal.split('/').count() == IDENTITY_PARTS;
        let ours = domain == LOCAL || self.names.iter().any(|name| &**name == domain);
        if !whole || !ours {
            return vec![principal.to_owned()];
        }
        self.names.iter().map(|name| format!("{name}/{rest}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_principal_of_the_mesh_is_expanded_to_each_of_its_names() {
        let domains = TrustDomains::new(&"new".into(), &["old".into(), "new".into()]);
        assert_eq!(domains.expand("old/ns/a/sa/b"), ["new/ns/a/sa/b", "old/ns/a/sa/b"]);
        assert_eq!(domains.expand("cluster.local/ns/a/sa/*"), ["new/ns/a/sa/*", "old/ns/a/sa/*"]);
        for kept in ["foreign/ns/a/sa/b", "*", "*/ns/a/sa/b", "*/sa/b", "old", "old/sa/b"] {
            assert_eq!(domains.expand(kept), [kept]);
        }
    }
}
