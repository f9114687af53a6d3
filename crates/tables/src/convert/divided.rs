//! A bootstrap in its bytes, taken apart so that each resource can be decoded by itself.

use bytes::Bytes;
use prost::{DecodeError, Message};

use crate::pb::envoy::config::bootstrap::v3::Bootstrap;

/// A bootstrap without its static resources, and these as bytes.
pub(super) struct Divided {
    pub(super) rest: Bootstrap,
    pub(super) resources: DividedResources,
}

/// `Bootstrap`, of which only `static_resources` is read.
#[derive(Clone, PartialEq, Message)]
struct Outer {
    #[prost(message, optional, tag = "2")]
    static_resources: Option<DividedResources>,
}

/// `StaticResources` with its lists not yet decoded; they share the bootstrap's memory.
#[derive(Clone, PartialEq, Message)]
pub(super) struct DividedResources {
    #[prost(bytes = "bytes", repeated, tag = "1")]
    pub(super) listeners: Vec<Bytes>,
    #[prost(bytes = "bytes", repeated, tag = "2")]
    pub(super) clusters: Vec<Bytes>,
    #[prost(bytes = "bytes", repeated, tag = "3")]
    pub(super) secrets: Vec<Bytes>,
}

/// Field number of `static_resources`.
const STATIC_RESOURCES: u32 = 2;

impl Divided {
    pub(super) fn of(wire: Vec<u8>) -> Result<Self, DecodeError> {
        let wire = Bytes::from(wire);
        let Outer { static_resources } = Outer::decode(wire.clone())?;
        let rest = Bootstrap::decode(without(&wire, STATIC_RESOURCES)?.as_slice())?;
        Ok(Self { rest, resources: static_resources.unwrap_or_default() })
    }
}

/// The fields of a message but for one.
fn without(wire: &[u8], unwanted: u32) -> Result<Vec<u8>, DecodeError> {
    use prost::encoding::{DecodeContext, decode_key, skip_field};
    let mut rest = wire;
    let mut kept = Vec::new();
    while !rest.is_empty() {
        let before = rest;
        let (number, wire_type) = decode_key(&mut rest)?;
        skip_field(wire_type, number, &mut rest, DecodeContext::default())?;
        if number != unwanted {
            kept.extend_from_slice(before.get(..before.len() - rest.len()).unwrap_or_default());
        }
    }
    Ok(kept)
}

/// Resources of one type: all there, or as bytes.
pub(super) enum Source<'a, M> {
    Messages(&'a [M]),
    Bytes(&'a [Bytes]),
}

impl<M: Message + Default> Source<'_, M> {
    /// Shows each resource with its place; an error is the first that does not decode.
    pub(super) fn each(&self, mut show: impl FnMut(usize, &M)) -> Result<(), DecodeError> {
        match self {
            Self::Messages(all) => all.iter().enumerate().for_each(|(at, one)| show(at, one)),
            Self::Bytes(all) => {
                for (at, bytes) in all.iter().enumerate() {
                    show(at, &M::decode(bytes.clone())?);
                }
            }
        }
        Ok(())
    }

    /// Shows the name of each, which is field 1 of what is asked for by name.
    pub(super) fn each_name(
        &self,
        mut show: impl FnMut(&str),
        name: impl Fn(&M) -> &String,
    ) -> Result<(), DecodeError> {
        match self {
            Self::Messages(all) => all.iter().for_each(|one| show(name(one))),
            Self::Bytes(all) => {
                for bytes in *all {
                    show(&Named::decode(bytes.clone())?.name);
                }
            }
        }
        Ok(())
    }
}

/// Any resource, of which only the name is read.
#[derive(Clone, PartialEq, Message)]
struct Named {
    #[prost(string, tag = "1")]
    name: String,
}
