//! Typed messages in and out of `google.protobuf.Any`.

use prost::{Message, Name};

use crate::google::protobuf::Any;

/// Why an `Any` does not hold the wanted message.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum AnyError {
    /// It holds another type.
    #[error("wanted {wanted}, found {found:?}")]
    WrongType {
        /// Type URL of the wanted message.
        wanted: String,
        /// Type URL in the `Any`.
        found: String,
    },
    /// Its bytes are not a message of the type that it names.
    #[error("{type_url}: {source}")]
    Decode {
        /// Type URL in the `Any`.
        type_url: String,
        /// What the decoder says.
        source: prost::DecodeError,
    },
}

/// Packs a message with its type URL.
#[must_use]
pub fn pack<M: Message + Name>(message: &M) -> Any {
    Any { type_url: M::type_url(), value: message.encode_to_vec() }
}

/// Whether an `Any` names the message `M`; the part of the type URL after the last `/` counts.
#[must_use]
pub fn holds<M: Name>(any: &Any) -> bool {
    any.type_url.rsplit_once('/').is_some_and(|(_, name)| name == M::full_name())
}

/// Unpacks a message.
///
/// # Errors
/// The `Any` names another type, or its bytes are not a message of this type.
pub fn unpack<M: Message + Name + Default>(any: &Any) -> Result<M, AnyError> {
    if !holds::<M>(any) {
        return Err(AnyError::WrongType { wanted: M::type_url(), found: any.type_url.clone() });
    }
    M::decode(any.value.as_slice())
        .map_err(|source| AnyError::Decode { type_url: any.type_url.clone(), source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envoy::config::cluster::v3::Cluster;
    use crate::envoy::config::listener::v3::Listener;

    #[test]
    fn a_message_survives_packing() {
        let cluster = Cluster { name: "a".to_owned(), ..Default::default() };
        assert_eq!(unpack(&pack(&cluster)), Ok(cluster));
    }

    #[test]
    fn errors_name_both_types() {
        let error = unpack::<Listener>(&pack(&Cluster::default())).unwrap_err();
        assert_eq!(
            error.to_string(),
            "wanted type.googleapis.com/envoy.config.listener.v3.Listener, \
             found \"type.googleapis.com/envoy.config.cluster.v3.Cluster\""
        );
        let broken = Any { value: vec![0x0a, 5], ..pack(&Cluster::default()) };
        assert!(matches!(unpack::<Cluster>(&broken), Err(AnyError::Decode { .. })));
    }
}
