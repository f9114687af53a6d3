//! Certificates for tests: authorities, leaves of all sorts, revocation lists.

use rcgen::string::Ia5String;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType, IsCa, Issuer, KeyIdMethod,
    KeyPair, KeyUsagePurpose, RevokedCertParams, SanType, SerialNumber, date_time_ymd,
};

/// An authority.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Its certificate.
    pub(crate) pem: String,
    /// Certificates that a leaf of it carries along: the intermediate's own, or none for a root.
    chain: String,
}

/// A chain (leaf first) and its key, PEM.
#[derive(Clone)]
pub(crate) struct Leaf {
    pub(crate) chain: String,
    pub(crate) key: String,
}

/// What a leaf looks like.
#[derive(Default)]
pub(crate) struct LeafSpec<'s> {
    pub(crate) subject: &'s [(DnType, &'s str)],
    pub(crate) uris: &'s [&'s str],
    pub(crate) dns: &'s [&'s str],
    pub(crate) ips: &'s [&'s str],
    pub(crate) emails: &'s [&'s str],
    /// Years of validity; `None`: now.
    pub(crate) years: Option<(i32, i32)>,
    /// Or valid for so many seconds from now on.
    pub(crate) seconds: Option<u64>,
    pub(crate) serial: Option<u64>,
    pub(crate) rsa: bool,
}

fn ca_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

impl Authority {
    pub(crate) fn root(name: &str) -> Self {
        let params = ca_params(name);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem, chain: String::new() }
    }

    pub(crate) fn intermediate(&self, name: &str) -> Self {
        let params = ca_params(name);
        let key = KeyPair::generate().unwrap();
        let pem = params.signed_by(&key, &self.issuer).unwrap().pem();
        Self { issuer: Issuer::new(params, key), chain: format!("{pem}{}", self.chain), pem }
    }

    pub(crate) fn leaf(&self, spec: &LeafSpec<'_>) -> Leaf {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        for (kind, value) in spec.subject {
            params.distinguished_name.push(kind.clone(), *value);
        }
        let text = |s: &&str| Ia5String::try_from(*s).unwrap();
        params.subject_alt_names.extend(spec.uris.iter().map(|s| SanType::URI(text(s))));
        params.subject_alt_names.extend(spec.dns.iter().map(|s| SanType::DnsName(text(s))));
        params.subject_alt_names.extend(spec.ips.iter().map(|s| SanType::IpAddress(s.parse().unwrap())));
        params.subject_alt_names.extend(spec.emails.iter().map(|s| SanType::Rfc822Name(text(s))));
        if let Some((from, to)) = spec.years {
            params.not_before = date_time_ymd(from, 1, 1);
            params.not_after = date_time_ymd(to, 1, 1);
        }
        if let Some(seconds) = spec.seconds {
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
            params.not_before = date_time_ymd(2020, 1, 1);
            params.not_after = date_time_ymd(1970, 1, 1) + now + std::time::Duration::from_secs(seconds);
        }
        params.serial_number = spec.serial.map(SerialNumber::from);
        params.use_authority_key_identifier_extension = true;
        let key = if spec.rsa {
            KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048).unwrap()
        } else {
            KeyPair::generate().unwrap()
        };
        let leaf = params.signed_by(&key, &self.issuer).unwrap().pem();
        Leaf { chain: format!("{leaf}{}", self.chain), key: key.serialize_pem() }
    }

    /// A list that revokes one serial number.
    pub(crate) fn revocation_list(&self, serial: u64) -> String {
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(2020, 1, 1),
            next_update: date_time_ymd(4000, 1, 1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: vec![RevokedCertParams {
                serial_number: SerialNumber::from(serial),
                revocation_time: date_time_ymd(2020, 1, 1),
                reason_code: None,
                invalidity_date: None,
            }],
            key_identifier_method: KeyIdMethod::Sha256,
        };
        list.signed_by(&self.issuer).unwrap().pem().unwrap()
    }
}

/// A certificate that signed itself.
pub(crate) fn self_signed(dns: &str) -> Leaf {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec![dns.to_owned()]).unwrap();
    Leaf { chain: params.self_signed(&key).unwrap().pem(), key: key.serialize_pem() }
}

/// A workload of a mesh.
pub(crate) fn workload(authority: &Authority, account: &str) -> Leaf {
    let uri = format!("spiffe://cluster.local/ns/default/sa/{account}");
    let spec = LeafSpec { uris: &[&uri], dns: &["good.example"], ..LeafSpec::default() };
    authority.leaf(&spec)
}
