//! The rows of the table that `build/emit.rs` writes. Plain integers only, so that the table needs no
//! relocation and no start-up work.

/// A message: name offset, name length, first field, number of fields, flags.
#[derive(Debug)]
pub(super) struct M(pub(super) u32, pub(super) u8, pub(super) u16, pub(super) u16, pub(super) u8);

/// A field: name offset, number, message or enum index, name length, wire type, oneof, flags.
#[derive(Debug)]
pub(super) struct F(
    pub(super) u32,
    pub(super) u32,
    pub(super) u16,
    pub(super) u8,
    pub(super) u8,
    pub(super) u8,
    pub(super) u8,
);

/// An enum: name offset, name length, first value, number of values.
#[derive(Debug)]
pub(super) struct E(pub(super) u32, pub(super) u8, pub(super) u16, pub(super) u16);

/// A value of an enum: name offset, name length, number.
#[derive(Debug)]
pub(super) struct V(pub(super) u32, pub(super) u8, pub(super) i32);

/// Flag of a message: it is the entry of a map field.
pub(super) const MAP_ENTRY: u8 = 1;
/// Flags of a field.
pub(super) const REPEATED: u8 = 1;
pub(super) const PRESENCE: u8 = 2;
pub(super) const DEPRECATED: u8 = 4;
pub(super) const SENSITIVE: u8 = 8;
pub(super) const WITHOUT_EFFECT: u8 = 16;
/// Oneof index of a field that stands in none.
pub(super) const NO_ONEOF: u8 = u8::MAX;

include!(concat!(env!("OUT_DIR"), "/schema.rs"));

/// A name out of the shared string; empty if the row were wrong.
pub(super) fn name(offset: u32, length: u8) -> &'static str {
    let start = offset as usize;
    NAMES.get(start..start + usize::from(length)).unwrap_or_default()
}

/// Size of the whole table in the program, in bytes.
pub(super) const fn size() -> usize {
    NAMES.len() + size_of_val(&MESSAGES) + size_of_val(&FIELDS) + size_of_val(&ENUMS) + size_of_val(&VALUES)
}
