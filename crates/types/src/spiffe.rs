//! Workload identities.

use std::fmt;

/// A SPIFFE identity of Istio's form `spiffe://<trust domain>/ns/<namespace>/sa/<service account>`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SpiffeId {
    /// Trust domain.
    pub trust_domain: Box<str>,
    /// Namespace.
    pub namespace: Box<str>,
    /// Service account.
    pub service_account: Box<str>,
}

impl SpiffeId {
    /// Reads an identity from a URI; `None` when it has another form.
    #[must_use]
    pub fn parse(uri: &str) -> Option<Self> {
        let mut parts = uri.strip_prefix("spiffe://")?.split('/');
        let id = Self {
            trust_domain: parts.next().filter(|p| !p.is_empty())?.into(),
            namespace: parts
                .next()
                .filter(|p| *p == "ns")
                .and_then(|_| parts.next())
                .filter(|p| !p.is_empty())?
                .into(),
            service_account: parts
                .next()
                .filter(|p| *p == "sa")
                .and_then(|_| parts.next())
                .filter(|p| !p.is_empty())?
                .into(),
        };
        parts.next().is_none().then_some(id)
    }
}

impl fmt::Display for SpiffeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "spiffe://{}/ns/{}/sa/{}", self.trust_domain, self.namespace, self.service_account)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_only_istio_form() {
        let id = SpiffeId::parse("spiffe://cluster.local/ns/default/sa/reviews").unwrap();
        assert_eq!(id.to_string(), "spiffe://cluster.local/ns/default/sa/reviews");
        for bad in [
            "spiffe://",
            "spiffe://td/ns/a",
            "spiffe://td/ns//sa/b",
            "spiffe://td/ns/a/sa/b/c",
            "http://td/ns/a/sa/b",
        ] {
            assert_eq!(SpiffeId::parse(bad), None, "{bad}");
        }
    }
}
