//! What the messages look like: names, numbers and types of fields, and the values of enums.
//!
//! A static table made at build time from the descriptors of envoy-types and from `proto/`. It covers
//! everything that a configuration, a dump or a discovery message can hold. Looking up costs a binary
//! search; nothing is parsed, allocated or relocated when the program starts.

mod enumeration;
mod field;
mod message;
mod rows;

pub use enumeration::EnumType;
pub use field::{Field, Kind};
pub use message::MessageType;

/// Size of the schema table in the program, in bytes.
pub const TABLE_BYTES: usize = rows::size();
