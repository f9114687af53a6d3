//! Where secrets come from, and transport sockets around them.

use weft_proto::envoy::config::core::v3::TransportSocket;
use weft_proto::envoy::config::core::v3::transport_socket::ConfigType;
use weft_proto::envoy::extensions::transport_sockets::tls::v3::SdsSecretConfig;

use crate::message;

/// Name of the workload's certificate and key (SD-17).
pub const WORKLOAD_SECRET: &str = "default";
/// Name of the authorities of the mesh (SD-17).
pub const ROOT_SECRET: &str = "ROOTCA";

/// A secret that never leaves the workload's side: it comes from the static cluster `sds-grpc`.
#[must_use]
pub fn workload_secret(name: &str) -> SdsSecretConfig {
    SdsSecretConfig { name: name.to_owned(), sds_config: Some(message::sds()) }
}

/// A secret that the control plane sends: of gateways only.
#[must_use]
pub fn control_plane_secret(name: &str) -> SdsSecretConfig {
    SdsSecretConfig { name: name.to_owned(), sds_config: Some(message::ads()) }
}

/// A transport socket of that name and configuration.
#[must_use]
pub fn transport_socket<M: prost::Name>(name: &str, config: &M) -> TransportSocket {
    TransportSocket {
        name: name.to_owned(),
        config_type: Some(ConfigType::TypedConfig(weft_proto::any::pack(config))),
    }
}
