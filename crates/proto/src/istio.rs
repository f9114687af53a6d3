//! Messages of Istio's own: calls that agents and the control plane speak beside xDS, and the
//! configuration of its extensions of Envoy.

/// `io.istio.http.peer_metadata`: who is at the other end of an HTTP call.
pub mod peer_metadata {
    include!(concat!(env!("OUT_DIR"), "/io.istio.http.peer_metadata.rs"));
}

/// `stats`: Istio's metrics.
pub mod stats {
    include!(concat!(env!("OUT_DIR"), "/stats.rs"));
}

/// `istio.envoy.config.filter.http.alpn.v2alpha1`: what upstream connections offer.
pub mod alpn {
    include!(concat!(env!("OUT_DIR"), "/istio.envoy.config.filter.http.alpn.v2alpha1.rs"));
}

/// `envoy.tcp.metadataexchange.config`: who is at the other end of a connection.
pub mod metadata_exchange {
    include!(concat!(env!("OUT_DIR"), "/envoy.tcp.metadataexchange.config.rs"));
}

/// `istio.v1`.
pub mod v1 {
    /// `istio.v1.auth`: the certificate service.
    pub mod auth {
        include!(concat!(env!("OUT_DIR"), "/istio.v1.auth.rs"));

        /// The service's full name.
        pub const CERTIFICATE_SERVICE: &str = "istio.v1.auth.IstioCertificateService";
        /// Path of its one method, as in `:path`.
        pub const CREATE_CERTIFICATE: &str = "/istio.v1.auth.IstioCertificateService/CreateCertificate";
    }
}
