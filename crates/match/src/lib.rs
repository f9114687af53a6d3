//! Matchers with one meaning for all rooms: routing, authorization and explanation use the same
//! code (invariant 4).
//!
//! ```text
//! tables (compiled once) ──► StringMatcher, HeaderMatcher, QueryMatcher, CidrSet
//!                                    │ request or response head, address
//! route, filter, balance, report ◄───┴── yes or no
//! ```
//!
//! Invariants: a matcher that exists is valid and takes time linear in its input; no matcher looks at
//! anything but its arguments; nothing that a head can hold makes one panic.
//!
//! ```
//! use weft_match::{HeaderMatcher, HeaderTest, StringMatcher};
//! use weft_types::RequestHead;
//!
//! let jason = HeaderMatcher {
//!     name: "end-user".into(),
//!     test: HeaderTest::Value(StringMatcher::Exact("jason".into(), false)),
//!     invert: false,
//!     missing_is_empty: false,
//! };
//! let mut head = RequestHead::get("reviews", "/");
//! assert!(!jason.matches(&head));
//! head.headers.append("End-User", "jason");
//! assert!(jason.matches(&head));
//! ```
#![forbid(unsafe_code)]

pub mod cidr;
pub mod header;
pub mod joined;
pub mod query;
pub mod re2;
pub mod string;

pub use cidr::CidrSet;
pub use header::{HeaderMatcher, HeaderTest};
pub use query::{QueryMatcher, QueryTest};
pub use string::StringMatcher;
