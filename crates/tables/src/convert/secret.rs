//! Secrets.

use super::reader::{Read, Reader};
use super::unset::{ignore_set, refuse_set};
use super::{matcher, source};
use crate::pb::envoy::extensions::transport_sockets::tls::v3 as proto;
use crate::tls::{SanKind, SanMatcher, Secret, Validation};
use proto::certificate_validation_context::TrustChainVerification;
use proto::subject_alt_name_matcher::SanType;

/// Reads a secret.
pub(crate) fn read(r: &mut Reader<'_>, proto: &proto::Secret) -> Read<Secret> {
    let proto::Secret { name: _, r#type } = proto;
    match r#type {
        Some(proto::secret::Type::TlsCertificate(certificate)) => {
            r.within("tls_certificate", |r| self::certificate(r, certificate))
        }
        Some(proto::secret::Type::ValidationContext(context)) => {
            r.within("validation_context", |r| validation(r, context)).map(Secret::Validation)
        }
        Some(proto::secret::Type::SessionTicketKeys(_)) => {
            Err(r.refuse_at("session_ticket_keys", "not implemented"))
        }
        Some(proto::secret::Type::GenericSecret(_)) => Err(r.refuse_at("generic_secret", "not implemented")),
        None => Err(r.refuse("a secret needs a type")),
    }
}

/// Reads a certificate.
pub(crate) fn certificate(r: &mut Reader<'_>, proto: &proto::TlsCertificate) -> Read<Secret> {
    let proto::TlsCertificate {
        certificate_chain,
        private_key,
        pkcs12,
        watched_directory,
        private_key_provider,
        password,
        ocsp_staple,
        signed_certificate_timestamp,
        tls_params,
    } = proto;
    refuse_set!(r, "not implemented", pkcs12, private_key_provider, password, tls_params);
    ignore_set!(r, "files are read when the configuration is loaded", watched_directory);
    ignore_set!(r, "nothing is stapled", ocsp_staple, signed_certificate_timestamp);
    Ok(Secret::Certificate {
        chain: r.need("certificate_chain", certificate_chain.as_ref(), pem)?,
        key: r.need("private_key", private_key.as_ref(), pem)?,
    })
}

fn pem(r: &mut Reader<'_>, proto: &crate::pb::envoy::config::core::v3::DataSource) -> Read<Vec<u8>> {
    let bytes = source::bytes(r, proto)?;
    if bytes.windows(11).any(|w| w == b"-----BEGIN ") { Ok(bytes) } else { Err(r.refuse("no PEM data")) }
}

/// Reads how a peer is checked.
pub(crate) fn validation(
    r: &mut Reader<'_>,
    proto: &proto::CertificateValidationContext,
) -> Read<Validation> {
    let proto::CertificateValidationContext {
        trusted_ca,
        ca_certificate_provider_instance,
        system_root_certs,
        watched_directory,
        verify_certificate_spki,
        verify_certificate_hash,
        match_typed_subject_alt_names,
        match_subject_alt_names,
        require_signed_certificate_timestamp,
        crl,
        allow_expired_certificate,
        trust_chain_verification,
        custom_validator_config,
        only_verify_leaf_cert_crl,
        max_verify_depth,
        suppress_client_ca_list,
    } = proto;
    refuse_set!(
        r,
        "not implemented",
        ca_certificate_provider_instance,
        system_root_certs,
        custom_validator_config,
        only_verify_leaf_cert_crl,
        max_verify_depth,
    );
    if require_signed_certificate_timestamp.as_ref().is_some_and(|v| v.value) {
        r.refuse_at("require_signed_certificate_timestamp", "not implemented");
    }
    ignore_set!(r, "files are read when the configuration is loaded", watched_directory);
    ignore_set!(r, "it only makes the handshake longer or shorter", suppress_client_ca_list);
    let roots = r.maybe("trusted_ca", trusted_ca.as_ref(), pem)?;
    let mut san_matchers =
        r.each("match_typed_subject_alt_names", match_typed_subject_alt_names, typed_san)?;
    if san_matchers.is_empty() {
        san_matchers = r.each("match_subject_alt_names", match_subject_alt_names, |r, p| {
            Ok(SanMatcher { kind: SanKind::Any, matcher: matcher::string(r, p)? })
        })?;
    } else {
        ignore_set!(r, "match_typed_subject_alt_names wins", match_subject_alt_names);
    }
    Ok(Validation {
        roots,
        san_matchers,
        certificate_hashes: r.each("verify_certificate_hash", verify_certificate_hash, |r, text| {
            let digest = super::health_check::hex(&text.replace(':', ""));
            digest
                .and_then(|d| d.try_into().ok())
                .ok_or_else(|| r.refuse("not the 64 hexadecimal digits of a SHA-256 hash"))
        })?,
        spki_hashes: r.each("verify_certificate_spki", verify_certificate_spki, |r, text| {
            base64(text)
                .and_then(|d| d.try_into().ok())
                .ok_or_else(|| r.refuse("not a SHA-256 hash in base64"))
        })?,
        crl: r.maybe("crl", crl.as_ref(), pem)?,
        allow_expired: *allow_expired_certificate,
        accept_untrusted: r
            .choice::<TrustChainVerification>("trust_chain_verification", *trust_chain_verification)?
            == TrustChainVerification::AcceptUntrusted,
    })
}

/// Refuses checks that mean nothing without roots, as Envoy does: the names in a certificate that
/// anyone may have signed prove nothing.
pub(crate) fn check_rooted(r: &mut Reader<'_>, validation: &Validation) -> Read<()> {
    if validation.roots.is_some() {
        return Ok(());
    }
    if !validation.san_matchers.is_empty() {
        return Err(r.refuse("subject alternative names are checked, but there is no trusted_ca"));
    }
    if validation.allow_expired {
        return Err(r.refuse_at("allow_expired_certificate", "has no meaning without trusted_ca"));
    }
    Ok(())
}

fn typed_san(r: &mut Reader<'_>, proto: &proto::SubjectAltNameMatcher) -> Read<SanMatcher> {
    let proto::SubjectAltNameMatcher { san_type, matcher: test, oid } = proto;
    refuse_set!(r, "not implemented", oid);
    let kind = match r.choice("san_type", *san_type)? {
        SanType::Email => SanKind::Email,
        SanType::Dns => SanKind::Dns,
        SanType::Uri => SanKind::Uri,
        SanType::IpAddress => SanKind::Ip,
        SanType::OtherName => return Err(r.refuse_at("san_type", "OTHER_NAME is not implemented")),
        SanType::Unspecified => return Err(r.refuse("san_type is required")),
    };
    Ok(SanMatcher { kind, matcher: r.need("matcher", test.as_ref(), matcher::string)? })
}

/// Decodes base64 of the standard alphabet, with its padding.
fn base64(text: &str) -> Option<Vec<u8>> {
    let body = text.trim_end_matches('=');
    if !text.len().is_multiple_of(4) || text.len() - body.len() > 2 {
        return None;
    }
    let mut bytes = Vec::with_capacity(body.len() * 3 / 4);
    let (mut bits, mut count) = (0_u32, 0_u32);
    for symbol in body.bytes() {
        let value = match symbol {
            b'A'..=b'Z' => symbol - b'A',
            b'a'..=b'z' => symbol - b'a' + 26,
            b'0'..=b'9' => symbol - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = (bits << 6 | u32::from(value)) & 0x00ff_ffff;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from(bits >> count & 0xff).ok()?);
        }
    }
    Some(bytes)
}

/// Whether the reference has an SDS server; without one it names a secret of the bootstrap.
pub(crate) fn named(r: &mut Reader<'_>, proto: &proto::SdsSecretConfig) -> Read<weft_types::Name> {
    let proto::SdsSecretConfig { name, sds_config } = proto;
    let name = r.text("name", name)?;
    match sds_config {
        Some(config) => r.within("sds_config", |r| super::route_source::served(r, config))?,
        None if !r.context.secrets.contains(name) => {
            return Err(r.refuse_at("name", format!("there is no secret {name:?}")));
        }
        None => {}
    }
    Ok(name.into())
}

#[cfg(test)]
mod tests {
    use super::base64;

    #[test]
    fn decodes_base64() {
        assert_eq!(base64("aGVsbG8=").as_deref(), Some(&b"hello"[..]));
        assert_eq!(base64("aGVsbG8h").as_deref(), Some(&b"hello!"[..]));
        assert_eq!(base64("aA==").as_deref(), Some(&b"h"[..]));
        for bad in ["a", "aGVsbG8", "====", "a*bc"] {
            assert_eq!(base64(bad), None, "{bad}");
        }
    }
}
