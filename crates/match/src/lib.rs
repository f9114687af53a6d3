//! Matchers with one meaning for all rooms: routing, authorization and explanation use the same
//! code (invariant 4).
#![forbid(unsafe_code)]

pub mod cidr;
pub mod header;
pub mod string;

pub use cidr::CidrSet;
pub use header::{HeaderMatcher, HeaderTest, QueryMatcher, QueryTest};
pub use string::StringMatcher;
