//! Failures in Envoy's words, as they stand in `%DOWNSTREAM_TRANSPORT_FAILURE_REASON%` and
//! `%UPSTREAM_TRANSPORT_FAILURE_REASON%`: BoringSSL's library, code and name. Compared with Envoy
//! 1.40.

use rustls::{AlertDescription, Error, InvalidMessage, PeerIncompatible};

/// Number of BoringSSL's SSL library in an error code (`16 << 24`).
const SSL: u32 = 16 << 24;
/// Reasons from here on are alerts of the peer.
const ALERT: u32 = 1000;

/// `TLS_error:|code:SSL_routines:OPENSSL_internal:NAME[:detail]:TLS_error_end`, blanks as underscores.
#[must_use]
pub(crate) fn ssl(reason: u32, name: &str, detail: Option<&str>) -> String {
    let detail = detail.map(|d| format!(":{}", d.replace(' ', "_"))).unwrap_or_default();
    format!("TLS_error:|{}:SSL_routines:OPENSSL_internal:{name}{detail}:TLS_error_end", SSL + reason)
}

/// The same for a failed system call.
#[must_use]
pub(crate) fn system(errno: i32, text: &str) -> String {
    // BoringSSL's system library is number 2.
    let code = i64::from(2 << 24) + i64::from(errno);
    format!("TLS_error:|{code}:system_library:OPENSSL_internal:{}:TLS_error_end", text.replace(' ', "_"))
}

/// A certificate that was refused here.
#[must_use]
pub(crate) fn refused(detail: &str) -> String {
    ssl(125, "CERTIFICATE_VERIFY_FAILED", Some(detail))
}

/// An alert of the peer.
#[must_use]
pub(crate) fn alert(alert: AlertDescription) -> String {
    let number = u32::from(u8::from(alert));
    let name = match number {
        0 => "SSLV3_ALERT_CLOSE_NOTIFY",
        10 => "SSLV3_ALERT_UNEXPECTED_MESSAGE",
        20 => "SSLV3_ALERT_BAD_RECORD_MAC",
        21 => "TLSV1_ALERT_DECRYPTION_FAILED",
        22 => "TLSV1_ALERT_RECORD_OVERFLOW",
        30 => "SSLV3_ALERT_DECOMPRESSION_FAILURE",
        40 => "SSLV3_ALERT_HANDSHAKE_FAILURE",
        41 => "SSLV3_ALERT_NO_CERTIFICATE",
        42 => "SSLV3_ALERT_BAD_CERTIFICATE",
        43 => "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE",
        44 => "SSLV3_ALERT_CERTIFICATE_REVOKED",
        45 => "SSLV3_ALERT_CERTIFICATE_EXPIRED",
        46 => "SSLV3_ALERT_CERTIFICATE_UNKNOWN",
        47 => "SSLV3_ALERT_ILLEGAL_PARAMETER",
        48 => "TLSV1_ALERT_UNKNOWN_CA",
        49 => "TLSV1_ALERT_ACCESS_DENIED",
        50 => "TLSV1_ALERT_DECODE_ERROR",
        51 => "TLSV1_ALERT_DECRYPT_ERROR",
        60 => "TLSV1_ALERT_EXPORT_RESTRICTION",
        70 => "TLSV1_ALERT_PROTOCOL_VERSION",
        71 => "TLSV1_ALERT_INSUFFICIENT_SECURITY",
        80 => "TLSV1_ALERT_INTERNAL_ERROR",
        86 => "TLSV1_ALERT_INAPPROPRIATE_FALLBACK",
        90 => "TLSV1_ALERT_USER_CANCELLED",
        100 => "TLSV1_ALERT_NO_RENEGOTIATION",
        110 => "TLSV1_ALERT_UNSUPPORTED_EXTENSION",
        111 => "TLSV1_ALERT_CERTIFICATE_UNOBTAINABLE",
        112 => "TLSV1_ALERT_UNRECOGNIZED_NAME",
        113 => "TLSV1_ALERT_BAD_CERTIFICATE_STATUS_RESPONSE",
        114 => "TLSV1_ALERT_BAD_CERTIFICATE_HASH_VALUE",
        115 => "TLSV1_ALERT_UNKNOWN_PSK_IDENTITY",
        116 => "TLSV1_ALERT_CERTIFICATE_REQUIRED",
        120 => "TLSV1_ALERT_NO_APPLICATION_PROTOCOL",
        _ => "UNKNOWN_ALERT_TYPE",
    };
    ssl(ALERT + number, name, None)
}

/// Any other failure that the TLS library found.
#[must_use]
pub(crate) fn protocol(error: &Error) -> String {
    match error {
        Error::NoCertificatesPresented => ssl(
            192,
            "PEER_DID_NOT_RETURN_A_CERTIFICATE",
            Some("peer did not provide required client certificate"),
        ),
        Error::InvalidMessage(
            InvalidMessage::InvalidContentType | InvalidMessage::UnknownProtocolVersion,
        ) => ssl(247, "WRONG_VERSION_NUMBER", None),
        Error::InvalidMessage(InvalidMessage::MessageTooLarge) | Error::PeerSentOversizedRecord => {
            ssl(136, "ENCRYPTED_LENGTH_TOO_LONG", None)
        }
        Error::InvalidMessage(_) => ssl(137, "DECODE_ERROR", None),
        Error::PeerIncompatible(
            PeerIncompatible::NoCipherSuitesInCommon
            | PeerIncompatible::NoKxGroupsInCommon
            | PeerIncompatible::NoSignatureSchemesInCommon,
        ) => ssl(184, "NO_SHARED_CIPHER", None),
        Error::PeerIncompatible(
            PeerIncompatible::ServerDoesNotSupportTls12Or13
            | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig
            | PeerIncompatible::SupportedVersionsExtensionRequired
            | PeerIncompatible::Tls12NotOffered
            | PeerIncompatible::Tls12NotOfferedOrEnabled,
        ) => ssl(240, "UNSUPPORTED_PROTOCOL", None),
        Error::DecryptError => ssl(139, "DECRYPTION_FAILED_OR_BAD_RECORD_MAC", None),
        Error::InappropriateMessage { .. } | Error::InappropriateHandshakeMessage { .. } => {
            ssl(243, "UNEXPECTED_MESSAGE", None)
        }
        // Without a counterpart: our library's words.
        other => format!("TLS_error:|{}:TLS_error_end", other.to_string().replace(' ', "_")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Envoy 1.40 wrote them.
    #[test]
    fn codes_are_boringssls() {
        assert_eq!(
            alert(AlertDescription::HandshakeFailure),
            "TLS_error:|268436496:SSL_routines:OPENSSL_internal:SSLV3_ALERT_HANDSHAKE_FAILURE:TLS_error_end"
        );
        assert_eq!(
            protocol(&Error::NoCertificatesPresented),
            "TLS_error:|268435648:SSL_routines:OPENSSL_internal:PEER_DID_NOT_RETURN_A_CERTIFICATE:\
             peer_did_not_provide_required_client_certificate:TLS_error_end"
        );
        assert_eq!(
            system(104, "Connection reset by peer"),
            "TLS_error:|33554536:system_library:OPENSSL_internal:Connection_reset_by_peer:TLS_error_end"
        );
    }
}
