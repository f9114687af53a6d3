//! Who sees an object: `exportTo` (VS-03, DR-01, SE-01).

use std::collections::BTreeSet;

use weft_types::Name;

/// The namespaces whose proxies see an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Visibility {
    /// All.
    Public,
    /// These; none if empty (`~`).
    Namespaces(BTreeSet<Name>),
}

impl Visibility {
    /// What `exportTo` of an object in `namespace` says: `*`, `.`, `~` or names. An empty list takes
    /// `default`.
    #[must_use]
    pub fn new(export_to: &[String], namespace: &str, default: &[String]) -> Self {
        let list = if export_to.is_empty() { default } else { export_to };
        if list.is_empty() || list.iter().any(|entry| entry == "*") {
            return Self::Public;
        }
        let named = list.iter().filter(|entry| entry.as_str() != "~");
        Self::Namespaces(
            named
                .map(|entry| if entry == "." { Name::from(namespace) } else { Name::from(entry.as_str()) })
                .collect(),
        )
    }

    /// Whether proxies of that namespace see the object.
    #[must_use]
    pub fn admits(&self, namespace: &str) -> bool {
        match self {
            Self::Public => true,
            Self::Namespaces(names) => names.contains(namespace),
        }
    }

    /// Whether whoever sees `other` sees this too.
    #[must_use]
    pub fn includes(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Public, _) => true,
            (Self::Namespaces(_), Self::Public) => false,
            (Self::Namespaces(mine), Self::Namespaces(theirs)) => mine.is_superset(theirs),
        }
    }

    /// Whether some namespace sees both.
    #[must_use]
    pub fn meets(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Public, Self::Public) => true,
            (Self::Public, Self::Namespaces(names)) | (Self::Namespaces(names), Self::Public) => {
                !names.is_empty()
            }
            (Self::Namespaces(mine), Self::Namespaces(theirs)) => !mine.is_disjoint(theirs),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn export_to_means_what_istio_says() {
        let of = |list: &[&str]| {
            let list: Vec<String> = list.iter().map(|entry| (*entry).to_owned()).collect();
            Visibility::new(&list, "own", &["*".to_owned()])
        };
        assert!(of(&[]).admits("any"));
        assert!(of(&["*"]).admits("any"));
        assert!(of(&["."]).admits("own") && !of(&["."]).admits("any"));
        assert!(of(&["a", "b"]).admits("b") && !of(&["a", "b"]).admits("own"));
        assert!(!of(&["~"]).admits("own"));
        assert!(of(&["*"]).includes(&of(&["."])) && !of(&["."]).includes(&of(&["*"])));
        assert!(
            of(&["."]).meets(&of(&["*"])) && !of(&["~"]).meets(&of(&["*"])) && !of(&["."]).meets(&of(&["a"]))
        );
    }
}
