//! TLS of clients and of gateways.

use crate::scalar::{flag, text, word};
use crate::schema::{Schema, list, object};

/// TLS toward endpoints.
pub(crate) fn client() -> Schema {
    object()
        .field("caCertificates", "File of authorities; the operating system's by default.", text())
        .field("caCrl", "File of revocations.", text())
        .field("clientCertificate", "File of the client's certificate.", text())
        .field("credentialName", "Secret that holds all of these instead.", text())
        .field("insecureSkipVerify", "Whether the server's certificate goes unchecked.", flag().nullable())
        .field("mode", "Mode.", word(["DISABLE", "SIMPLE", "MUTUAL", "ISTIO_MUTUAL"]))
        .field("privateKey", "File of its key.", text())
        .field("sni", "Server name to send.", text())
        .field("subjectAltNames", "Names of which the server's certificate must hold one.", list(text()))
}

/// TLS of a server (GW-03 to GW-07).
pub(crate) fn server() -> Schema {
    object()
        .field("caCertCredentialName", "Secret that holds authorities.", text())
        .field("caCertificates", "File of authorities for client certificates.", text())
        .field("caCrl", "File of revocations.", text())
        .field("cipherSuites", "Suites for versions before 1.3, by OpenSSL's names.", list(text()))
        .field(
            "credentialName",
            "Secret that holds certificate and key, and authorities in MUTUAL mode.",
            text(),
        )
        .field(
            "credentialNames",
            "Secrets with certificates of different algorithms, at most two.",
            list(text()).min_items(1).max_items(2),
        )
        .field("httpsRedirect", "Whether plaintext is answered with 301 to https.", flag())
        .field(
            "insecureSkipVerify",
            "Whether a client whose certificate does not verify is let in.",
            flag().nullable(),
        )
        .field(
            "maxProtocolVersion",
            "Highest version; TLS 1.3 by default.",
            word(["TLS_AUTO", "TLSV1_0", "TLSV1_1", "TLSV1_2", "TLSV1_3"]),
        )
        .field(
            "minProtocolVersion",
            "Lowest version; TLS 1.2 by default.",
            word(["TLS_AUTO", "TLSV1_0", "TLSV1_1", "TLSV1_2", "TLSV1_3"]),
        )
        .field(
            "mode",
            "Mode.",
            word(["PASSTHROUGH", "SIMPLE", "MUTUAL", "AUTO_PASSTHROUGH", "ISTIO_MUTUAL", "OPTIONAL_MUTUAL"]),
        )
        .field("privateKey", "File of its key.", text())
        .field("serverCertificate", "File of the server's certificate.", text())
        .field("subjectAltNames", "Names of which the client's certificate must hold one.", list(text()))
        .field(
            "tlsCertificates",
            "Files of certificates of different algorithms, at most two.",
            list(
                object()
                    .field("caCertificates", "Authorities.", text())
                    .field("privateKey", "Key.", text())
                    .field("serverCertificate", "Certificate.", text()),
            )
            .min_items(1)
            .max_items(2),
        )
        .field("verifyCertificateHash", "Hex SHA-256 of certificates that clients may have.", list(text()))
        .field("verifyCertificateSpki", "Base64 SHA-256 of public keys that clients may have.", list(text()))
        .rule(
            "(has(self.tlsCertificates) ? 1 : 0) + (has(self.credentialNames) ? 1 : 0) <= 1",
            "only one of credentialNames or tlsCertificates can be set",
        )
        .rule(
            "(has(self.credentialName) ? 1 : 0) + (has(self.credentialNames) ? 1 : 0) <= 1",
            "only one of credentialName or credentialNames can be set",
        )
        .rule(
            "(has(self.credentialNames) ? 1 : 0) + (has(self.tlsCertificates) ? 1 : 0) <= 1",
            "only one of credentialName or tlsCertificates can be set",
        )
}
