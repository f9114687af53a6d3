//! Resources as they go over an xDS stream: packed once, named, with a version that follows the content.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::canonical::canonical;
use crate::google::protobuf::Any;
use crate::schema::MessageType;

/// A resource ready to be sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Resource {
    /// Name by which it is subscribed to.
    pub name: Arc<str>,
    /// The same for the same content, another for another.
    pub version: Arc<str>,
    /// The message.
    pub body: Any,
}

impl Resource {
    /// Packs a message. Equal messages give equal bytes and versions: see [`crate::canonical`].
    #[must_use]
    pub fn pack<M: prost::Name>(name: impl Into<Arc<str>>, message: &M) -> Self {
        let full_name = M::full_name();
        let wire = message.encode_to_vec();
        let value = match MessageType::find(&full_name) {
            Some(schema) => canonical(schema, &wire),
            None => wire,
        };
        let body = Any { type_url: format!("{}/{full_name}", crate::type_url::HOST), value };
        Self { name: name.into(), version: version(&body).into(), body }
    }
}

/// 64 bits of FNV-1a over type and content: it tells versions of one resource apart, no more.
fn version(body: &Any) -> String {
    let hash = body
        .type_url
        .bytes()
        .chain(body.value.iter().copied())
        .fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
    format!("{hash:016x}")
}

/// Resources of one type by name. A copy shares all with what it was copied from, and one that is changed
/// still shares the rest: what two such maps differ in is found without a look at what they share.
pub type Named = imbl::OrdMap<Arc<str>, Arc<Resource>>;

/// What [`Named::diff`] tells of.
pub use imbl::ordmap::DiffItem;

/// All resources that a node may have: type URL → name → resource.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ResourceSet {
    /// Generation of the snapshot behind it.
    pub generation: u64,
    /// By type URL, then by name.
    pub by_type: BTreeMap<Arc<str>, Named>,
}

impl ResourceSet {
    /// Adds a resource, or replaces the one of its name.
    pub fn insert(&mut self, resource: Resource) {
        self.put(Arc::new(resource));
    }

    /// The same for one that is shared with other sets.
    pub fn put(&mut self, resource: Arc<Resource>) {
        let type_url = resource.body.type_url.as_str();
        let name = resource.name.clone();
        match self.by_type.get_mut(type_url) {
            Some(named) => _ = named.insert(name, resource),
            None => _ = self.by_type.insert(type_url.into(), Named::unit(name, resource)),
        }
    }

    /// Takes a resource out.
    pub fn remove(&mut self, type_url: &str, name: &str) -> Option<Arc<Resource>> {
        self.by_type.get_mut(type_url)?.remove(name)
    }

    /// The resources of a type.
    #[must_use]
    pub fn of(&self, type_url: &str) -> Option<&Named> {
        self.by_type.get(type_url)
    }
}
