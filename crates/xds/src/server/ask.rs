//! Requests and responses, whichever protocol they come by.

use std::collections::HashMap;
use std::sync::Arc;

use weft_proto::resource::Resource;

/// What a request says.
#[derive(Clone, Debug, PartialEq)]
pub struct Ask {
    /// Type that it is about.
    pub type_url: String,
    /// Response that it answers; empty if none.
    pub nonce: String,
    /// Why that response is refused; `None`: it is accepted.
    pub refusal: Option<Refusal>,
    /// What is subscribed to.
    pub names: Names,
}

/// Why a client does not take a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Code of `google.rpc`.
    pub code: i32,
    /// In the client's words.
    pub message: String,
}

/// What a request says of its subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Names {
    /// All of it (state of the world).
    Whole(Vec<String>),
    /// What changes in it (delta).
    Change {
        /// New names; `*` is all.
        subscribe: Vec<String>,
        /// Names that are no longer wanted.
        unsubscribe: Vec<String>,
        /// Versions that the client holds from an earlier stream; in the first request of a type.
        have: HashMap<String, String>,
    },
}

/// What goes to the client.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    /// Type.
    pub type_url: Arc<str>,
    /// Name of this response.
    pub nonce: String,
    /// Version of the whole, for people.
    pub version: String,
    /// Resources: new and changed ones, or the whole set where the protocol wants that.
    pub resources: Vec<Arc<Resource>>,
    /// Names of resources that are not there (delta).
    pub removed: Vec<Arc<str>>,
}

/// A request that a stream does not survive.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// It names no type.
    #[error("type_url: missing")]
    NoType,
    /// A name or type URL is too long.
    #[error("{field}: a name of {length} bytes, more than {limit}")]
    LongName {
        /// Which field.
        field: &'static str,
        /// Its length.
        length: usize,
        /// Most that is allowed.
        limit: usize,
    },
    /// Too many types on one stream.
    #[error("type_url: more than {limit} types on one stream")]
    Types {
        /// Most that is allowed.
        limit: usize,
    },
    /// Too many names of one type.
    #[error("{type_url}: more than {limit} names subscribed to")]
    Names {
        /// The type.
        type_url: String,
        /// Most that is allowed.
        limit: usize,
    },
}
