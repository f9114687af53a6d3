//! Issuing.

use std::time::{Duration, SystemTime};

use weft_types::SpiffeId;

use crate::authority::Authority;
use crate::csr;
use crate::error::IssueError;
use crate::pem;
use crate::profile;

impl Authority {
    /// Issues a certificate for the key in a CSR, in the name of the caller.
    ///
    /// `identity` is who the caller was authenticated as; what the CSR says of names, usages and other
    /// extensions is not read. `requested_validity` of `None` or zero takes
    /// [`Policy::default_validity`](crate::Policy::default_validity). The certificate begins
    /// [`CLOCK_SKEW`](crate::CLOCK_SKEW) before `now` and never ends after the authority's own chain.
    ///
    /// Returns PEM texts as the certificate service sends them: the leaf, then the intermediates, one
    /// certificate each, then the roots: one, or all of them in the last text, which Istio's agent and
    /// ztunnel take as the bundle to trust. Source: Istio, CP-17.
    ///
    /// # Errors
    /// The CSR is too long, cannot be read, holds a weak or foreign key or is not signed by it; the life is
    /// too long; the authority is not valid at this time.
    pub fn issue(
        &self,
        csr_pem: &str,
        identity: &SpiffeId,
        requested_validity: Option<Duration>,
        now: SystemTime,
    ) -> Result<Vec<String>, IssueError> {
        let key = csr::proven_key(csr_pem)?;
        let uri = identity.to_string();
        // Parts that hold a separator would read back as somebody else.
        if SpiffeId::parse(&uri).as_ref() != Some(identity)
            || !uri.bytes().all(|byte| byte.is_ascii_graphic())
        {
            return Err(IssueError::Identity(uri));
        }
        let policy = self.policy();
        let validity =
            requested_validity.filter(|wanted| !wanted.is_zero()).unwrap_or(policy.default_validity);
        if validity > policy.max_validity {
            return Err(IssueError::Validity { requested: validity, allowed: policy.max_validity });
        }
        let own = self.lifetime();
        let mut lifetime = profile::starting(now, validity);
        if now > own.until || now.checked_add(profile::CLOCK_SKEW).is_some_and(|late| late < own.from) {
            return Err(IssueError::AuthorityNotValid);
        }
        lifetime.until = lifetime.until.min(own.until);
        let params = profile::workload(Some(identity), &lifetime).map_err(IssueError::Signing)?;
        let leaf = self.signer().sign(&params, &key).map_err(IssueError::Signing)?;

        let mut chain = vec![pem::certificate(&leaf)];
        chain.extend(self.intermediates().iter().map(|der| pem::certificate(der)));
        chain.push(self.roots_pem());
        Ok(chain)
    }
}
