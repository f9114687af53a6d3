//! From a request head to a decision: which virtual host, route, cluster, rewrite and timeout.
//!
//! Pure: configuration tables, the head, facts of the connection and one dice value come in; a
//! [`Decision`] goes out. The proxy acts on it, the simulator and explanations print it.
//!
//! ```text
//! head ──► canonical ──► forwarded ──► find_host ──► find_route ──► Decision ──► rewrite, headers
//! ```
#![forbid(unsafe_code)]

pub mod canonical;
pub mod decide;
pub mod forwarded;
pub mod headers;
pub mod host;
pub mod matching;
pub mod redirect;
pub mod rewrite;
pub mod timeout;

pub use decide::{Decision, RouteChoice, decide};
pub use matching::RequestFacts;
