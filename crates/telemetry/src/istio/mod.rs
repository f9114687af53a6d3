//! Istio's standard metrics: their names, their labels, and how many of them there may be (TM-01 …
//! TM-03).
//!
//! ```text
//! what a call was (Call, Outcome) ──► labels ──► changes of configuration ──► registry ──► handles
//! ```

mod labels;
mod series;

pub use labels::{Call, Outcome, Party, Protocol, Reporter, Security, Service};
pub(crate) use series::Sets;
pub use series::{DEFAULT_SET_LIMIT, HttpHandles, Room, TcpHandles, http, tcp};

/// What a label says when nothing is known.
pub const UNKNOWN: &str = "unknown";
