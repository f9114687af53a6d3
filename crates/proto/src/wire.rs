//! The protobuf wire format at its lowest level: tags, varints and length-delimited runs.
//!
//! Reading never panics and borrows what it reads, whatever the bytes are.

mod reader;
mod writer;

pub use reader::WireError;
pub(crate) use reader::{Packed, Reader, Value};
pub(crate) use writer::{put_fixed32, put_fixed64, put_length_delimited, put_varint_field};
