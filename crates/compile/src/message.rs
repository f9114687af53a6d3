//! Pieces that many messages have: numbers in wrappers, durations, addresses, sources of resources.

use std::net::IpAddr;
use std::time::Duration;

use weft_proto::envoy::config::core::v3 as core;
use weft_proto::envoy::r#type::v3 as kind;
use weft_proto::google::protobuf as wkt;

use core::address::Address as AddressKind;
use core::config_source::ConfigSourceSpecifier;
use core::grpc_service::{EnvoyGrpc, TargetSpecifier};
use core::socket_address::PortSpecifier;

/// The cluster of the secrets that never leave the workload (SD-17): it stands in each bootstrap.
pub(crate) const SDS_CLUSTER: &str = "sds-grpc";

pub(crate) fn duration(duration: Duration) -> wkt::Duration {
    wkt::Duration {
        seconds: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        // Below 10⁹, so it fits.
        nanos: duration.subsec_nanos() as i32,
    }
}

pub(crate) fn u32_value(value: u32) -> wkt::UInt32Value {
    wkt::UInt32Value { value }
}

pub(crate) fn u64_value(value: u64) -> wkt::UInt64Value {
    wkt::UInt64Value { value }
}

pub(crate) fn bool_value(value: bool) -> wkt::BoolValue {
    wkt::BoolValue { value }
}

pub(crate) fn text(text: &str) -> wkt::Value {
    wkt::Value { kind: Some(wkt::value::Kind::StringValue(text.to_owned())) }
}

pub(crate) fn structure<'a>(fields: impl IntoIterator<Item = (&'a str, wkt::Value)>) -> wkt::Struct {
    wkt::Struct { fields: fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect() }
}

/// A share in millionths.
pub(crate) fn millionths(numerator: u32) -> kind::FractionalPercent {
    kind::FractionalPercent {
        numerator,
        denominator: kind::fractional_percent::DenominatorType::Million.into(),
    }
}

/// A share in millionths, where Envoy's runtime could override it.
pub(crate) fn runtime_millionths(numerator: u32) -> core::RuntimeFractionalPercent {
    core::RuntimeFractionalPercent { default_value: Some(millionths(numerator)), runtime_key: String::new() }
}

pub(crate) fn socket_address(address: &str, port: u16) -> core::Address {
    core::Address {
        address: Some(AddressKind::SocketAddress(core::SocketAddress {
            address: address.to_owned(),
            port_specifier: Some(PortSpecifier::PortValue(port.into())),
            ..Default::default()
        })),
    }
}

pub(crate) fn ip_address(address: IpAddr, port: u16) -> core::Address {
    socket_address(&address.to_string(), port)
}

pub(crate) fn pipe(path: &str) -> core::Address {
    core::Address { address: Some(AddressKind::Pipe(core::Pipe { path: path.to_owned(), mode: 0 })) }
}

pub(crate) fn cidr(net: ipnet::IpNet) -> core::CidrRange {
    core::CidrRange {
        address_prefix: net.network().to_string(),
        prefix_len: Some(u32_value(net.prefix_len().into())),
    }
}

/// Resources come over the stream that the resource itself came over.
pub(crate) fn ads() -> core::ConfigSource {
    core::ConfigSource {
        initial_fetch_timeout: Some(duration(Duration::ZERO)),
        resource_api_version: core::ApiVersion::V3.into(),
        config_source_specifier: Some(ConfigSourceSpecifier::Ads(core::AggregatedConfigSource {})),
        ..Default::default()
    }
}

/// Secrets of the workload come from its own side: the proxy itself, or the agent beside it.
pub(crate) fn sds() -> core::ConfigSource {
    core::ConfigSource {
        initial_fetch_timeout: Some(duration(Duration::ZERO)),
        resource_api_version: core::ApiVersion::V3.into(),
        config_source_specifier: Some(ConfigSourceSpecifier::ApiConfigSource(core::ApiConfigSource {
            api_type: core::api_config_source::ApiType::Grpc.into(),
            transport_api_version: core::ApiVersion::V3.into(),
            set_node_on_first_message_only: true,
            grpc_services: vec![core::GrpcService {
                target_specifier: Some(TargetSpecifier::EnvoyGrpc(EnvoyGrpc {
                    cluster_name: SDS_CLUSTER.to_owned(),
                    ..Default::default()
                })),
                ..Default::default()
            }],
            ..Default::default()
        })),
        ..Default::default()
    }
}
