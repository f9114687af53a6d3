//! Whatever the bytes are, conversion ends, and says why it refuses.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod support;

use proptest::prelude::*;
use prost::Message;
use support::{cases::base, context};
use weft_proto::any::pack;
use weft_proto::envoy::config::bootstrap::v3::Bootstrap;
use weft_proto::envoy::config::cluster::v3::Cluster;
use weft_proto::envoy::config::core::v3::{TransportSocket, transport_socket::ConfigType};
use weft_proto::envoy::extensions::transport_sockets::tcp_stats::v3::Config as TcpStats;
use weft_tables::Finding;
use weft_tables::convert::{self, NoData};

proptest! {
    #[test]
    fn changed_bytes_never_panic(place in any::<prop::sample::Index>(), byte: u8, cut in 0_usize..8) {
        let mut wire = weft_proto::text::parse_json::<Bootstrap>(&base().to_string()).message.encode_to_vec();
        let at = place.index(wire.len());
        wire[at] = byte;
        wire.truncate(wire.len() - cut);
        if let Ok(proto) = Bootstrap::decode(wire.as_slice()) {
            let (tables, findings) = convert::bootstrap(&proto, &NoData);
            let asked = proto.static_resources.map_or(0, |s| s.listeners.len() + s.clusters.len() + s.secrets.len());
            let built = tables.listeners.len() + tables.clusters.len() + tables.secrets.len();
            prop_assert!(built == asked || findings.iter().any(Finding::is_refused));
        }
    }
}

#[test]
fn messages_within_messages_have_a_limit() {
    let mut socket = TransportSocket { name: "s".into(), config_type: None };
    for _ in 0..5_000 {
        let config = TcpStats { transport_socket: Some(socket), update_period: None };
        socket =
            TransportSocket { name: "s".into(), config_type: Some(ConfigType::TypedConfig(pack(&config))) };
    }
    let proto = Cluster { name: "c".into(), transport_socket: Some(socket), ..Cluster::default() };
    let findings = convert::cluster(&proto, &context()).unwrap_err();
    assert!(findings.iter().any(|f| f.reason.contains("within one another")), "{}", findings.len());
}

#[test]
fn the_number_of_findings_has_a_limit() {
    let many = "{name: x},".repeat(5_000);
    let proto =
        support::proto::<Cluster>(&format!("{{name: c, health_checks: [{}]}}", many.replace("name: x", "")));
    let findings = convert::cluster(&proto, &context()).unwrap_err();
    assert_eq!(findings.len(), 1_000);
}
