//! Versions, cipher suites and curves.

use super::reader::{Read, Reader};
use super::unset::refuse_set;
use crate::pb::envoy::extensions::transport_sockets::tls::v3::{TlsParameters, tls_parameters::TlsProtocol};
use crate::tls::{SUITES, SUITES_NOT_OFFERED, TlsVersion};

/// Curves that can be spoken, by the names that Envoy takes.
const CURVES: &[&str] =
    &["X25519", "P-256", "prime256v1", "secp256r1", "P-384", "secp384r1", "X25519MLKEM768"];

/// What is negotiated by number.
pub(crate) struct Parameters {
    pub(crate) min: TlsVersion,
    pub(crate) max: TlsVersion,
    pub(crate) cipher_suites: Vec<Box<str>>,
    pub(crate) curves: Vec<Box<str>>,
}

/// Reads the parameters; `highest` is the highest version when none is named.
pub(crate) fn read(r: &mut Reader<'_>, proto: &TlsParameters, highest: TlsVersion) -> Read<Parameters> {
    let TlsParameters {
        tls_minimum_protocol_version,
        tls_maximum_protocol_version,
        cipher_suites,
        ecdh_curves,
        signature_algorithms,
        compliance_policies,
    } = proto;
    refuse_set!(r, "not implemented", signature_algorithms, compliance_policies);
    let min = match r.choice("tls_minimum_protocol_version", *tls_minimum_protocol_version)? {
        TlsProtocol::TlsAuto | TlsProtocol::TlSv12 => TlsVersion::V1_2,
        TlsProtocol::TlSv13 => TlsVersion::V1_3,
        TlsProtocol::TlSv10 | TlsProtocol::TlSv11 => {
            r.ignore_at("tls_minimum_protocol_version", "TLS 1.2 is the lowest version that is spoken");
            TlsVersion::V1_2
        }
    };
    let max = match r.choice("tls_maximum_protocol_version", *tls_maximum_protocol_version)? {
        TlsProtocol::TlsAuto => highest.max(min),
        TlsProtocol::TlSv13 => TlsVersion::V1_3,
        TlsProtocol::TlSv12 => TlsVersion::V1_2,
        TlsProtocol::TlSv10 | TlsProtocol::TlSv11 => {
            return Err(
                r.refuse_at("tls_maximum_protocol_version", "TLS 1.2 is the lowest version that is spoken")
            );
        }
    };
    if min > max {
        return Err(r.refuse_at("tls_minimum_protocol_version", "above tls_maximum_protocol_version"));
    }
    Ok(Parameters {
        min,
        max,
        cipher_suites: r.each("cipher_suites", cipher_suites, |r, entry| suite(r, entry))?,
        curves: r.each("ecdh_curves", ecdh_curves, |r, name| match CURVES.contains(&name.as_str()) {
            true => Ok(name.as_str().into()),
            false => Err(r.refuse(format!("the curve {name:?} is not implemented"))),
        })?,
    })
}

/// Reads one entry of the list: a suite, or a group `[A|B]` of equal preference.
fn suite(r: &mut Reader<'_>, entry: &str) -> Read<Box<str>> {
    for name in entry.trim_matches(['[', ']']).split('|') {
        if SUITES_NOT_OFFERED.contains(&name) {
            r.ignore(format!("{name} has no forward secrecy or an old mode, and is never offered"));
        } else if !SUITES.contains(&name) {
            return Err(r.refuse(format!("{name:?} is no cipher suite of TLS 1.2")));
        }
    }
    Ok(entry.into())
}
