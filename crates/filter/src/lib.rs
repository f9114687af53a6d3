//! HTTP and network filters: what happens to a request between routing and balancing, and to its
//! response on the way back.
//!
//! Filters decide and do no I/O of their own. A filter that must wait hands back a future or a
//! duration ([`Flow`]); the pipeline waits, so that a filter can stop and resume, buffer, call out,
//! change bodies and trailers, or answer itself. Responses run through the chain in reverse.
//!
//! ```text
//! request ─► f1 ─► f2 ─► f3 ─► router ─► upstream
//! response ◄ f1 ◄─ f2 ◄─ f3 ◄──────────────┘
//! ```
//!
//! Invariants: time, dice and facts come in as arguments ([`Context`]); a reply carries flag and detail;
//! what a filter counts in the process it gives back on every path; the common chain allocates nothing.
#![forbid(unsafe_code)]

pub mod builtin;
pub mod chain;
pub mod context;
pub mod limiters;
pub mod network;
pub mod peers;
pub mod reply;
pub mod seam;
#[cfg(test)]
#[path = "tests/tables.rs"]
mod testing;
pub mod values;
pub mod workload;

pub use chain::Chain;
pub use context::{Context, CountScope, Facts};
pub use reply::LocalReply;
pub use seam::{BodyFlow, Flow, HttpFilter, OpenFilters};
pub use workload::Workload;
