//! The certificate under which the control plane itself serves.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use rcgen::string::Ia5String;
use rcgen::{KeyPair, SanType};
use zeroize::Zeroize;

use crate::authority::Authority;
use crate::error::IssueError;
use crate::lifetime::Lifetime;
use crate::request::PrivateKey;
use crate::{pem, profile};

/// How long it lives; renewed at half of that. Source: Istio's, which lives as long as a workload's.
pub const SERVING_VALIDITY: Duration = Duration::from_secs(24 * 3600);

/// A server's certificate with its key.
#[derive(Clone, Debug)]
pub struct ServingCertificate {
    /// Leaf and intermediates, PEM.
    pub chain: String,
    /// Its key, which no other certificate has.
    pub key: PrivateKey,
    /// From now until it ends: what [`crate::rotation::renew_at`] wants.
    pub lifetime: Lifetime,
}

impl Authority {
    /// Issues a certificate to the process that holds the authority, in names that clients verify. It has no
    /// SPIFFE identity: nobody is authenticated by it. Source: CP-22.
    ///
    /// # Errors
    /// A name cannot stand in a certificate, or the authority is not valid now.
    pub fn serve(
        &self,
        dns: &[String],
        addresses: &[IpAddr],
        now: SystemTime,
    ) -> Result<ServingCertificate, IssueError> {
        let own = self.lifetime();
        if now > own.until {
            return Err(IssueError::AuthorityNotValid);
        }
        let failed = |error: rcgen::Error| IssueError::Signing(error.to_string());
        let mut lifetime = profile::starting(now, SERVING_VALIDITY);
        lifetime.until = lifetime.until.min(own.until);
        let mut params = profile::workload(None, &lifetime).map_err(IssueError::Signing)?;
        for name in dns {
            params
                .subject_alt_names
                .push(SanType::DnsName(Ia5String::try_from(name.as_str()).map_err(failed)?));
        }
        params.subject_alt_names.extend(addresses.iter().copied().map(SanType::IpAddress));
        let mut key = KeyPair::generate().map_err(failed)?;
        let leaf = self.signer().sign(&params, &key).map_err(IssueError::Signing)?;
        let mut chain = pem::certificate(&leaf);
        chain.push_str(&self.chain_pem());
        let certificate = ServingCertificate {
            chain,
            key: PrivateKey::of(&key),
            lifetime: Lifetime { from: now, until: lifetime.until },
        };
        key.zeroize();
        Ok(certificate)
    }
}
