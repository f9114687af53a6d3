//! The words that every room of Weft shares: message heads, response flags, details, names and
//! percentages. Plain values only: nothing here does I/O, reads a clock or rolls dice.
//!
//! ```text
//! codec ──► RequestHead / ResponseHead ──► match, route, filter, report
//! ```
#![forbid(unsafe_code)]

pub mod detail;
pub mod direction;
pub mod embedded;
pub mod flag;
pub mod grpc;
pub mod head;
pub mod headers;
pub mod percent;
pub mod provenance;
pub mod random;
pub mod spiffe;

pub use detail::Detail;
pub use direction::Direction;
pub use flag::{ResponseFlag, ResponseFlags};
pub use head::{Method, RequestHead, ResponseHead, Version};
pub use headers::Headers;
pub use percent::FractionalPercent;
pub use provenance::Provenance;
pub use random::Random;
pub use spiffe::SpiffeId;

/// A shared, immutable name (cluster, route, listener, stat prefix). Cloning copies a pointer.
pub type Name = std::sync::Arc<str>;
