//! Blocks of a DestinationRule's policy.

use std::time::Duration;

use super::connection_pool::ConnectionPool;
use super::load_balancer::LoadBalancer;
use super::virtual_service::PortSelector;
use crate::decode::{record, words};
use crate::value::Port;

record! {
    /// How to talk to endpoints; an absent block leaves the mesh's default.
    strict struct TrafficPolicy {
        /// Which endpoint.
        load_balancer: Option<LoadBalancer> = optional "loadBalancer",
        /// How many connections and requests.
        connection_pool: Option<ConnectionPool> = optional "connectionPool",
        /// Which endpoints are out of service.
        outlier_detection: Option<OutlierDetection> = optional "outlierDetection",
        /// TLS toward endpoints; absent leaves it to automatic mutual TLS (DR-15).
        tls: Option<ClientTls> = optional "tls",
        /// Policies of single ports; each block replaces the one above as a whole.
        port_level_settings: Vec<PortTrafficPolicy> = optional "portLevelSettings",
        /// CONNECT tunnel around opaque connections (DR-16).
        tunnel: Option<Tunnel> = optional "tunnel",
        /// PROXY protocol toward endpoints (DR-17).
        proxy_protocol: Option<ProxyProtocol> = optional "proxyProtocol",
        /// Bound on retries in flight (DR-13).
        retry_budget: Option<RetryBudget> = optional "retryBudget",
    }
}

record! {
    /// The policy of one port.
    strict struct PortTrafficPolicy {
        /// Which port.
        port: Option<PortSelector> = required "port",
        /// Which endpoint.
        load_balancer: Option<LoadBalancer> = optional "loadBalancer",
        /// How many connections and requests.
        connection_pool: Option<ConnectionPool> = optional "connectionPool",
        /// Which endpoints are out of service.
        outlier_detection: Option<OutlierDetection> = optional "outlierDetection",
        /// TLS toward endpoints.
        tls: Option<ClientTls> = optional "tls",
    }
}

impl PortTrafficPolicy {
    /// The port; an accepted object has one.
    #[must_use]
    pub fn port_number(&self) -> Option<Port> {
        self.port.as_ref().and_then(|port| port.number)
    }
}

record! {
    /// When an endpoint is taken out of service (DR-12).
    strict struct OutlierDetection {
        /// Statuses 5xx in a row; 5 by default, 0 turns it off.
        consecutive_5xx_errors: Option<u32> = optional "consecutive5xxErrors",
        /// Statuses 502, 503, 504 in a row; off by default.
        consecutive_gateway_errors: Option<u32> = optional "consecutiveGatewayErrors",
        /// Failures to connect in a row; 5 by default, if split.
        consecutive_local_origin_failures: Option<u32> = optional "consecutiveLocalOriginFailures",
        /// Whether failures to connect are counted apart.
        split_external_local_origin_errors: bool = optional "splitExternalLocalOriginErrors",
        /// Gateway errors in a row.
        consecutive_errors: Option<u32> = deprecated_count "consecutiveErrors" ("use consecutive5xxErrors"),
        /// Time between sweeps; 10 s by default.
        interval: Option<Duration> = optional "interval",
        /// Shortest time out of service; 30 s by default.
        base_ejection_time: Option<Duration> = optional "baseEjectionTime",
        /// Largest share of endpoints out of service, percent; 10 by default.
        max_ejection_percent: Option<u32> = count "maxEjectionPercent",
        /// Share of healthy endpoints below which all are used, percent; 0 by default.
        min_health_percent: Option<u32> = count "minHealthPercent",
        /// Statuses that count as errors beside 5xx.
        http_error_codes: Vec<u32> = optional "outlierDetectionHttpErrorCodes",
    }
}

record! {
    /// TLS toward endpoints (DR-14).
    strict struct ClientTls {
        /// Mode.
        mode: ClientTlsMode = optional "mode",
        /// File of the client's certificate.
        client_certificate: Option<String> = optional "clientCertificate",
        /// File of its key.
        private_key: Option<String> = optional "privateKey",
        /// File of authorities; the operating system's by default.
        ca_certificates: Option<String> = optional "caCertificates",
        /// File of revocations.
        ca_crl: Option<String> = optional "caCrl",
        /// Secret that holds all of these instead.
        credential_name: Option<String> = optional "credentialName",
        /// Names of which the server's certificate must hold one.
        subject_alt_names: Vec<String> = optional "subjectAltNames",
        /// Server name to send.
        sni: Option<String> = optional "sni",
        /// Whether the server's certificate goes unchecked.
        insecure_skip_verify: Option<bool> = optional "insecureSkipVerify",
    }
}

words! {
    /// TLS toward endpoints.
    enum ClientTlsMode {
        /// None.
        Disable = "DISABLE",
        /// The server proves itself.
        Simple = "SIMPLE",
        /// Both do, with certificates given here.
        Mutual = "MUTUAL",
        /// Both do, with the mesh's own certificates.
        IstioMutual = "ISTIO_MUTUAL",
    }
}

record! {
    /// CONNECT tunnel.
    strict struct Tunnel {
        /// `CONNECT` (default) or `POST`.
        protocol: Option<String> = optional "protocol",
        /// Where the tunnel leads.
        target_host: String = required "targetHost",
        /// And to which port.
        target_port: Port = required_port "targetPort",
    }
}

record! {
    /// PROXY protocol toward endpoints.
    strict struct ProxyProtocol {
        /// Version.
        version: ProxyVersion = optional "version",
    }
}

words! {
    /// Version of the PROXY protocol.
    enum ProxyVersion {
        /// Text.
        V1 = "V1",
        /// Binary.
        V2 = "V2",
    }
}

record! {
    /// Bound on retries in flight.
    strict struct RetryBudget {
        /// Share of requests in flight, percent; 20 by default.
        percent: Option<f64> = optional "percent",
        /// Retries that are always allowed; 3 by default.
        min_retry_concurrency: Option<u32> = optional "minRetryConcurrency",
        /// Time over which requests count; only those in flight by default.
        budget_interval: Option<Duration> = zero_or_more "budgetInterval",
    }
}
