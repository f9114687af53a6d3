//! TLS contexts.

use std::sync::Arc;

use super::reader::{Read, Reader, bool_or, u32_or};
use super::unset::{ignore_set, refuse_set};
use super::{istio, secret, tls_parameters};
use crate::pb::envoy::extensions::transport_sockets::tls::v3::{
    self as proto, common_tls_context as context,
};
use crate::tls::{ClientTls, SecretSource, ServerTls, TlsCommon, TlsVersion, ValidationSource};
use context::ValidationContextType;
use proto::TlsParameters;
use proto::downstream_tls_context::{OcspStaplePolicy, SessionTicketKeysType};

/// Longest server name, bytes.
const MAX_SNI: usize = 255;

/// Reads terminating TLS.
pub(crate) fn server(r: &mut Reader<'_>, proto: &proto::DownstreamTlsContext) -> Read<ServerTls> {
    let proto::DownstreamTlsContext {
        common_tls_context,
        require_client_certificate,
        require_sni,
        disable_stateful_session_resumption,
        session_timeout,
        ocsp_staple_policy,
        full_scan_certs_on_sni_mismatch,
        prefer_client_ciphers,
        session_ticket_keys_type,
    } = proto;
    ignore_set!(
        r,
        "sessions are kept by a rule of their own",
        disable_stateful_session_resumption,
        session_timeout
    );
    ignore_set!(r, "it changes no outcome", prefer_client_ciphers);
    if r.choice::<OcspStaplePolicy>("ocsp_staple_policy", *ocsp_staple_policy)?
        != OcspStaplePolicy::LenientStapling
    {
        r.refuse_at("ocsp_staple_policy", "nothing is stapled");
    }
    if bool_or(full_scan_certs_on_sni_mismatch.as_ref(), false) {
        r.refuse_at("full_scan_certs_on_sni_mismatch", "not implemented");
    }
    let disable_tickets = match session_ticket_keys_type {
        Some(SessionTicketKeysType::DisableStatelessSessionResumption(flag)) => *flag,
        Some(SessionTicketKeysType::SessionTicketKeys(_)) => {
            r.ignore_at("session_ticket_keys", "keys of tickets are made here, and change by themselves");
            false
        }
        Some(SessionTicketKeysType::SessionTicketKeysSdsSecretConfig(_)) => {
            r.ignore_at(
                "session_ticket_keys_sds_secret_config",
                "keys of tickets are made here, and change by themselves",
            );
            false
        }
        None => false,
    };
    let common = r.need("common_tls_context", common_tls_context.as_ref(), |r, context| {
        common(r, context, TlsVersion::V1_3)
    })?;
    if common.certificates.is_empty() {
        return Err(r.refuse("a server needs a certificate"));
    }
    Ok(ServerTls {
        common,
        require_client_certificate: bool_or(require_client_certificate.as_ref(), false),
        require_sni: bool_or(require_sni.as_ref(), false),
        disable_tickets,
    })
}

/// Reads originating TLS.
pub(crate) fn client(r: &mut Reader<'_>, proto: &proto::UpstreamTlsContext) -> Read<ClientTls> {
    let proto::UpstreamTlsContext {
        common_tls_context,
        sni,
        auto_host_sni,
        auto_sni_san_validation,
        allow_renegotiation,
        max_session_keys,
        enforce_rsa_key_usage,
    } = proto;
    ignore_set!(r, "key usage is always enforced", enforce_rsa_key_usage);
    if sni.len() > MAX_SNI {
        return Err(r.refuse_at("sni", format!("longer than {MAX_SNI} bytes")));
    }
    // Unless it says otherwise, Envoy's client goes no higher than TLS 1.2.
    let common = match common_tls_context {
        Some(context) => r.within("common_tls_context", |r| self::common(r, context, TlsVersion::V1_2))?,
        None => common(r, &proto::CommonTlsContext::default(), TlsVersion::V1_2)?,
    };
    if common.certificates.len() > 1 {
        return Err(r.refuse("a client has at most one certificate"));
    }
    Ok(ClientTls {
        common,
        sni: sni.as_str().into(),
        auto_host_sni: *auto_host_sni,
        auto_sni_san_validation: *auto_sni_san_validation,
        max_session_keys: u32_or(max_session_keys.as_ref(), 1),
        allow_renegotiation: *allow_renegotiation,
    })
}

/// Reads what both sides share; `highest` is the highest version when none is named.
fn common(r: &mut Reader<'_>, proto: &proto::CommonTlsContext, highest: TlsVersion) -> Read<TlsCommon> {
    let proto::CommonTlsContext {
        tls_params,
        tls_certificates,
        tls_certificate_sds_secret_configs,
        tls_certificate_provider_instance,
        custom_tls_certificate_selector,
        tls_certificate_certificate_provider,
        tls_certificate_certificate_provider_instance,
        alpn_protocols,
        custom_handshaker,
        key_log,
        validation_context_type,
    } = proto;
    refuse_set!(
        r,
        "not implemented",
        tls_certificate_provider_instance,
        custom_tls_certificate_selector,
        tls_certificate_certificate_provider,
        tls_certificate_certificate_provider_instance,
        custom_handshaker,
    );
    ignore_set!(r, "session keys are never logged", key_log);
    let unset = TlsParameters::default();
    let parameters =
        r.within("tls_params", |r| tls_parameters::read(r, tls_params.as_ref().unwrap_or(&unset), highest))?;
    let mut certificates = r.each("tls_certificates", tls_certificates, |r, p| {
        Ok(SecretSource::Inline(Arc::new(secret::certificate(r, p)?)))
    })?;
    certificates.extend(r.each(
        "tls_certificate_sds_secret_configs",
        tls_certificate_sds_secret_configs,
        |r, p| Ok(SecretSource::Named(secret::named(r, p)?)),
    )?);
    Ok(TlsCommon {
        min_version: parameters.min,
        max_version: parameters.max,
        cipher_suites: parameters.cipher_suites,
        curves: parameters.curves,
        alpn: alpn(r, alpn_protocols)?,
        certificates,
        validation: validation(r, validation_context_type.as_ref())?,
    })
}

fn alpn(r: &mut Reader<'_>, protocols: &[String]) -> Read<Vec<Box<str>>> {
    let names = r.each("alpn_protocols", protocols, |r, name| match name.len() {
        // Both ends would have to speak it.
        _ if name == istio::PEER_EXCHANGE => {
            r.ignore(istio::NOT_OFFERED);
            Ok(None)
        }
        1..=255 => Ok(Some(name.as_str().into())),
        _ => Err(r.refuse("an ALPN name has 1 to 255 bytes")),
    })?;
    Ok(names.into_iter().flatten().collect())
}

fn validation(r: &mut Reader<'_>, proto: Option<&ValidationContextType>) -> Read<ValidationSource> {
    match proto {
        None => Ok(ValidationSource::None),
        Some(ValidationContextType::ValidationContext(context)) => r.within("validation_context", |r| {
            let validation = secret::validation(r, context)?;
            secret::check_rooted(r, &validation)?;
            let secret = crate::tls::Secret::Validation(validation);
            Ok(ValidationSource::One(SecretSource::Inline(Arc::new(secret))))
        }),
        Some(ValidationContextType::ValidationContextSdsSecretConfig(config)) => r
            .within("validation_context_sds_secret_config", |r| {
                Ok(ValidationSource::One(SecretSource::Named(secret::named(r, config)?)))
            }),
        Some(ValidationContextType::CombinedValidationContext(combined)) => {
            r.within("combined_validation_context", |r| {
                let context::CombinedCertificateValidationContext {
                    default_validation_context,
                    validation_context_sds_secret_config,
                    validation_context_certificate_provider,
                    validation_context_certificate_provider_instance,
                } = combined;
                refuse_set!(
                    r,
                    "not implemented",
                    validation_context_certificate_provider,
                    validation_context_certificate_provider_instance,
                );
                let default = r.need(
                    "default_validation_context",
                    default_validation_context.as_ref(),
                    secret::validation,
                )?;
                let dynamic = r.need(
                    "validation_context_sds_secret_config",
                    validation_context_sds_secret_config.as_ref(),
                    secret::named,
                )?;
                Ok(ValidationSource::Combined {
                    default: Arc::new(default),
                    dynamic: SecretSource::Named(dynamic),
                })
            })
        }
        Some(
            ValidationContextType::ValidationContextCertificateProvider(_)
            | ValidationContextType::ValidationContextCertificateProviderInstance(_),
        ) => Err(r.refuse("certificate providers are not implemented")),
    }
}
