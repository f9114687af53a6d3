//! The verdict on a row: do two subjects agree, and does each do what the row expects?

mod agree;
pub mod decided;
mod hold;

pub use agree::agree;
pub use hold::hold;
