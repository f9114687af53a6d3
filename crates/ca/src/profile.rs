//! What our certificates look like.

use std::time::{Duration, SystemTime};

use aws_lc_rs::rand;
use rcgen::string::Ia5String;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyUsagePurpose, SanType, SerialNumber, date_time_ymd,
};
use weft_types::SpiffeId;

use crate::lifetime::{Lifetime, seconds};

/// How far in the past a certificate begins, so that a peer whose clock is late takes it. Source:
/// Istio's `ClockSkewGracePeriod`, 2 min.
pub const CLOCK_SKEW: Duration = Duration::from_secs(120);

/// Bytes of a serial number: more than the 64 random bits that are asked of authorities, less than the
/// 20 bytes that RFC 5280 4.1.2.2 allows.
const SERIAL_BYTES: usize = 16;

/// A root: O=trust domain, CA:TRUE.
pub(crate) fn root(trust_domain: &str, lifetime: &Lifetime) -> Result<CertificateParams, String> {
    let mut params = blank(lifetime)?;
    params.distinguished_name.push(DnType::OrganizationName, trust_domain);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params)
}

/// A workload's certificate as Istio makes it: no subject, the identity as the only name, for both ends of
/// a connection.
pub(crate) fn workload(
    identity: Option<&SpiffeId>,
    lifetime: &Lifetime,
) -> Result<CertificateParams, String> {
    let mut params = blank(lifetime)?;
    if let Some(identity) = identity {
        let uri = Ia5String::try_from(identity.to_string()).map_err(|error| error.to_string())?;
        params.subject_alt_names = vec![SanType::URI(uri)];
    }
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

fn blank(lifetime: &Lifetime) -> Result<CertificateParams, String> {
    let epoch = date_time_ymd(1970, 1, 1);
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.not_before = epoch + Duration::from_secs(seconds(lifetime.from));
    params.not_after = epoch + Duration::from_secs(seconds(lifetime.until));
    params.serial_number = Some(serial()?);
    Ok(params)
}

/// A random number, positive and always of the same length.
fn serial() -> Result<SerialNumber, String> {
    let mut bytes = [0; SERIAL_BYTES];
    rand::fill(&mut bytes).map_err(|_| "no random numbers".to_owned())?;
    bytes[0] = bytes[0] & 0x7f | 0x40;
    Ok(SerialNumber::from_slice(&bytes))
}

/// From a little before now, for some time.
pub(crate) fn starting(now: SystemTime, validity: Duration) -> Lifetime {
    Lifetime {
        from: now.checked_sub(CLOCK_SKEW).unwrap_or(now),
        until: now.checked_add(validity).unwrap_or(now),
    }
}
