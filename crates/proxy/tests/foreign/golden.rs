//! What compile makes for Istio's own proxies (`compile/tests/istio.rs`).

use std::path::Path;
use std::sync::atomic::{AtomicU16, Ordering};

use prost::Message as _;
use weft_proto::any::unpack;
use weft_proto::envoy::config::core::v3::address::Address;
use weft_proto::envoy::config::listener::v3::Listener;
use weft_proto::google::protobuf::Any;
use weft_proto::resource::{Resource, ResourceSet};
use weft_proto::schema::MessageType;
use weft_proto::text::{Dialect, Limits, encode};
use weft_proto::type_url::LISTENER;

/// A golden, and the address of its listeners.
pub(crate) struct Golden {
    pub(crate) set: ResourceSet,
    pub(crate) address: String,
}

/// An address of loopback that nothing else uses: listeners have the same ports everywhere.
pub(crate) fn own_address() -> String {
    static LAST: AtomicU16 = AtomicU16::new(0);
    let [.., high, low] = std::process::id().to_be_bytes();
    let last = LAST.fetch_add(1, Ordering::Relaxed);
    assert!(last < 16 * 250);
    format!("127.{}.{low}.{}", 128 + (u16::from(high) + last / 250) % 127, last % 250 + 1)
}

/// Reads a golden. What is bound on all addresses is bound on one here: all else is as it stands there.
pub(crate) fn read(name: &str) -> Golden {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../compile/tests/istio").join(name);
    let text = std::fs::read_to_string(&path).unwrap();
    let schema = MessageType::find("google.protobuf.Any").unwrap();
    let mut golden =
        Golden { set: ResourceSet { generation: 1, ..ResourceSet::default() }, address: own_address() };
    for line in text.lines() {
        let encoded = encode(schema, line, Dialect::Json, &Limits::default());
        assert!(encoded.problems.is_empty(), "{name}: {:?}", encoded.problems);
        let mut body = Any::decode(encoded.wire.as_slice()).unwrap();
        let fields: serde_json::Value = serde_json::from_str(line).unwrap();
        let own = fields["name"].as_str().or(fields["cluster_name"].as_str()).unwrap().to_owned();
        if body.type_url == LISTENER {
            body = golden.moved(&body);
        }
        golden.set.insert(Resource { name: own.into(), version: "1".into(), body });
    }
    golden
}

impl Golden {
    fn moved(&self, body: &Any) -> Any {
        let mut listener: Listener = unpack(body).unwrap();
        let address = listener.address.as_mut().and_then(|address| address.address.as_mut());
        if listener.bind_to_port.as_ref().is_none_or(|bind| bind.value)
            && let Some(Address::SocketAddress(socket)) = address
        {
            socket.address.clone_from(&self.address);
        }
        weft_proto::any::pack(&listener)
    }
}
