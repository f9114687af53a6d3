//! From a request head to a decision: which virtual host, route, cluster, rewrite and timeout.
//!
//! Pure: configuration tables, the head, facts of the connection and one dice value come in; a
//! [`Decision`] goes out. The proxy acts on it, the simulator and explanations print it.
//!
//! ```text
//! codec ─► canonical ─► forwarded ─► decide (host, matching) ─► Decision
//!             │ refused                 ┌──────────┬──────────────┤
//!             ▼                      redirect   headers, rewrite  timeout ─► balance, upstream
//! ```
//!
//! Invariants: what routing sees, filters and the upstream see (one canonical form, and no second look
//! at the raw head); canonicalizing twice changes nothing; the same arguments give the same decision;
//! no head makes anything here panic.
#![forbid(unsafe_code)]

pub mod canonical;
pub mod decide;
pub mod forwarded;
pub mod headers;
pub mod host;
pub mod matching;
pub mod redirect;
pub mod rewrite;
#[cfg(test)]
#[path = "tests/tables.rs"]
mod testing;
pub mod timeout;

pub use decide::{Decision, RouteChoice, decide};
pub use matching::RequestFacts;
