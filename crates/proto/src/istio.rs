//! Messages of Istio's own calls, which agents and the control plane speak beside xDS.

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
