//! What each proxy was sent, acknowledged and refused.

use std::time::SystemTime;

use serde_json::{Map, Value, json};
use weft_proto::google::protobuf::value::Kind;
use weft_xds::server::{Nack, Stamp, StreamStatus, Streams, TypeStatus};

/// All streams.
pub(super) fn all(streams: &Streams) -> Value {
    Value::Array(streams.all().iter().map(one).collect())
}

/// The last part of a type URL: `Cluster`.
pub(super) fn short(type_url: &str) -> &str {
    type_url.rsplit('.').next().unwrap_or(type_url)
}

/// Whether the proxy has all of the newest set.
pub(super) fn is_in_sync(stream: &StreamStatus) -> bool {
    stream.session.types.values().all(|status| status.in_sync && status.sent.nonce == status.acked.nonce)
}

fn one(stream: &StreamStatus) -> Value {
    let StreamStatus { id, protocol, caller, node, opened, session } = stream;
    let types: Map<String, Value> = session
        .types
        .iter()
        .map(|(type_url, status)| (short(type_url).to_owned(), of_type(status)))
        .collect();
    let metadata = |key: &str| match node.metadata.as_ref().and_then(|m| m.fields.get(key)?.kind.as_ref()) {
        Some(Kind::StringValue(text)) => text.clone(),
        _ => String::new(),
    };
    json!({
        "stream": id,
        "proxy": node.id,
        "cluster": metadata("CLUSTER_ID"),
        "agent": node.user_agent_name,
        "istioVersion": metadata("ISTIO_VERSION"),
        "protocol": protocol,
        "caller": caller,
        "openedUnix": opened.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs(),
        "generation": session.generation,
        "inSync": is_in_sync(stream),
        "types": types,
        "nacks": session.nacks.iter().map(|one| nack(one)).collect::<Vec<_>>(),
    })
}

fn stamp(stamp: &Stamp) -> Value {
    match stamp.nonce.is_empty() {
        true => Value::Null,
        false => json!({"nonce": stamp.nonce, "generation": stamp.generation, "version": stamp.version}),
    }
}

fn of_type(status: &TypeStatus) -> Value {
    json!({
        "subscribed": if status.wildcard { json!("*") } else { json!(status.names) },
        "resources": status.told,
        "inSync": status.in_sync,
        "sent": stamp(&status.sent),
        "acked": stamp(&status.acked),
        "nacked": stamp(&status.nacked),
        "responses": status.responses,
        "acks": status.acks,
        "nacks": status.nacks,
        "stale": status.stale,
        "bytes": status.bytes,
    })
}

fn nack(nack: &Nack) -> Value {
    json!({
        "type": short(&nack.type_url),
        "response": stamp(&nack.response),
        "code": nack.code,
        "message": nack.message,
        "names": nack.names.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "afterSeconds": nack.after.as_secs_f64(),
    })
}
