//! What would happen to a call: tables and a call come in, a verdict goes out, and no socket is
//! opened.
//!
//! It runs the very cores that the proxy runs (chains, routing, filters, balancing), so its answer is
//! the proxy's as far as configuration decides; what an upstream would answer, it cannot know. Tests
//! and explanations use it; the oracle for correctness is real Envoy, not this.
//!
//! ```text
//! Tables + Call ──► chain ──► canonical ──► route ──► filters ──► cluster ──► host ──► Verdict
//! ```
#![forbid(unsafe_code)]

pub mod call;
mod run;
pub mod verdict;

pub use call::Call;
pub use run::simulate;
pub use verdict::{Outcome, Verdict};
