//! What would happen to a call: tables and a call come in, a verdict goes out, and no socket is
//! opened.
//!
//! It runs the very cores that the proxy runs (chains, routing, filters, balancing), so its answer is
//! the proxy's as far as configuration decides; what an upstream answers, the call says. Tests and
//! explanations use it; the oracle for correctness is real Envoy, not this.
//!
//! ```text
//! Tables + Call ──► connection ──► http ──► filters ──► forward ──► Verdict
//!                    chain,         canonical form,      cluster, host,
//!                    network        route                changes of request
//!                    filters                             and response
//! ```
//!
//! Not simulated, because configuration alone does not decide it: retries, internal redirects (a verdict
//! says where one may follow), timeouts and circuit breakers, active health, TLS verification, what wasm or other open filters do, and the bodies of
//! `local_reply_config`.
//!
//! Invariants: the same tables, calls, times and dice give the same verdicts; nothing is sent.
#![forbid(unsafe_code)]

pub mod call;
mod clusters;
mod connection;
mod forward;
mod http;
mod simulator;
mod values;
pub mod verdict;

pub use call::Call;
pub use simulator::{Simulator, simulate};
pub use verdict::{Outcome, Verdict};
