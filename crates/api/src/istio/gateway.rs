//! Gateway: ports that a gateway opens, and with which certificates (GW rows).

use std::collections::BTreeMap;

use crate::decode::{record, words};
use crate::value::Port;

record! {
    /// Servers of the gateways with certain labels.
    strict struct Gateway {
        /// Labels of the gateway's pods (GW-01); none selects all.
        selector: BTreeMap<String, String> = optional "selector",
        /// Servers.
        servers: Vec<Server> = optional "servers",
    }
}

record! {
    /// A port and the hosts that it serves (GW-02).
    strict struct Server {
        /// Port.
        port: ServerPort = required_record "port",
        /// Hosts, as `namespace/name` or `name`; the namespace is whose VirtualServices count.
        hosts: Vec<String> = required "hosts",
        /// TLS.
        tls: Option<ServerTls> = optional "tls",
        /// Address to listen on, or `unix://` and a path.
        bind: Option<String> = optional "bind",
        /// Name, for statistics and VirtualServices.
        name: Option<String> = optional "name",
        /// Where traffic goes by default.
        default_endpoint: Option<String> =
            without_effect "defaultEndpoint" ("Istio does not implement it for gateways"),
    }
}

record! {
    /// A port that is opened.
    strict struct ServerPort {
        /// Number.
        number: Port = required_port "number",
        /// Protocol.
        protocol: String = required "protocol",
        /// Name.
        name: String = required "name",
        /// Port of the pod, where it differs.
        target_port: Option<Port> = deprecated "targetPort" ("the Service maps ports"),
    }
}

record! {
    /// TLS of a server (GW-03 to GW-07).
    strict struct ServerTls {
        /// Whether plaintext is answered with 301 to https.
        https_redirect: bool = optional "httpsRedirect",
        /// Mode.
        mode: ServerTlsMode = optional "mode",
        /// File of the server's certificate.
        server_certificate: Option<String> = optional "serverCertificate",
        /// File of its key.
        private_key: Option<String> = optional "privateKey",
        /// File of authorities for client certificates.
        ca_certificates: Option<String> = optional "caCertificates",
        /// File of revocations.
        ca_crl: Option<String> = optional "caCrl",
        /// Secret that holds certificate and key, and authorities in MUTUAL mode.
        credential_name: Option<String> = optional "credentialName",
        /// Secrets with certificates of different algorithms, at most two.
        credential_names: Vec<String> = optional "credentialNames",
        /// Secret that holds authorities.
        ca_cert_credential_name: Option<String> = optional "caCertCredentialName",
        /// Files of certificates of different algorithms, at most two.
        tls_certificates: Vec<TlsCertificate> = optional "tlsCertificates",
        /// Names of which the client's certificate must hold one.
        subject_alt_names: Vec<String> = optional "subjectAltNames",
        /// Base64 SHA-256 of public keys that clients may have.
        verify_certificate_spki: Vec<String> = optional "verifyCertificateSpki",
        /// Hex SHA-256 of certificates that clients may have.
        verify_certificate_hash: Vec<String> = optional "verifyCertificateHash",
        /// Lowest version; TLS 1.2 by default.
        min_protocol_version: TlsVersion = optional "minProtocolVersion",
        /// Highest version; TLS 1.3 by default.
        max_protocol_version: TlsVersion = optional "maxProtocolVersion",
        /// Suites for versions before 1.3, by OpenSSL's names.
        cipher_suites: Vec<String> = optional "cipherSuites",
        /// Whether a client whose certificate does not verify is let in.
        insecure_skip_verify: Option<bool> = optional "insecureSkipVerify",
    }
}

record! {
    /// Files of one certificate.
    strict struct TlsCertificate {
        /// Certificate.
        server_certificate: Option<String> = optional "serverCertificate",
        /// Key.
        private_key: Option<String> = optional "privateKey",
        /// Authorities.
        ca_certificates: Option<String> = optional "caCertificates",
    }
}

words! {
    /// What a server does with TLS (GW-04).
    enum ServerTlsMode {
        /// Forwards it by its server name.
        Passthrough = "PASSTHROUGH",
        /// Ends it; clients need no certificate.
        Simple = "SIMPLE",
        /// Ends it; clients need a certificate.
        Mutual = "MUTUAL",
        /// Forwards it to the host that Istio's server name form names, without routes.
        AutoPassthrough = "AUTO_PASSTHROUGH",
        /// Ends it with the mesh's certificates.
        IstioMutual = "ISTIO_MUTUAL",
        /// Ends it; a client's certificate is checked if there is one.
        OptionalMutual = "OPTIONAL_MUTUAL",
    }
}

words! {
    /// Version of TLS.
    #[derive(PartialOrd, Ord)]
    enum TlsVersion {
        /// The default of its field.
        Auto = "TLS_AUTO",
        /// 1.0.
        V1_0 = "TLSV1_0",
        /// 1.1.
        V1_1 = "TLSV1_1",
        /// 1.2.
        V1_2 = "TLSV1_2",
        /// 1.3.
        V1_3 = "TLSV1_3",
    }
}
