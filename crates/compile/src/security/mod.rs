//! Who may connect, and who may call what.
//!
//! ```text
//! PeerAuthentication ──► tls: the context of a server in the mesh
//! AuthorizationPolicy ─► authorization ─► rule ─► attribute ─► value, token: one test
//!                              │                     └─ text: exact, abc*, *abc, *
//!                              └─ HTTP filters, or network filters without what only HTTP has (AP-07)
//! ```
//!
//! # Invariants
//! - What cannot be expressed never lets more in: an ALLOW rule is dropped as a whole, a DENY or AUDIT
//!   rule goes on without the part (AP-07).
//! - A text matches by parts, not by expressions, wherever that is the same: Envoy bounds the size of
//!   expressions, and one that it refuses would take its listener along.

mod attribute;
pub mod authorization;
mod diagnose;
mod logic;
mod rule;
mod text;
pub mod tls;
mod token;
mod trust;
mod value;

pub use diagnose::diagnose;
pub(crate) use diagnose::diagnostic;
pub use trust::TrustDomains;
