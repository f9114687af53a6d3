//! How Weft is judged: one table of `call → verdict` rows, run through real Envoy and `weft-proxy`,
//! and a lab of network namespaces with real redirection. Development only: nothing of it ships.
//!
//! ```text
//!                       ┌──────────► Envoy ───────┐
//! table/*.yaml ─► world ┤ same bootstrap, own port├─► scripted backends (in this process)
//!        rows           └──────► weft-proxy ──────┘
//!         │                     │    │                     │
//!         └─ client ── answers ─┘    └── access log        └── what was seen
//!                        └───────────── Outcome ───────────┘
//!                                          │ normalize
//!                                          ▼
//!                            judge: equal to each other, and to the row
//! ```
//!
//! Invariants:
//! - The client and the backends share no code with the proxy: HTTP/1 is written by hand here, HTTP/2
//!   is the `h2` crate, TLS is `tokio-rustls`.
//! - [`normalize`] is the only place that says what "agree" means; `docs/differences.md` is the only
//!   list of allowed differences.
//! - Everything is bounded in time; every process started is killed by its own pid when dropped.
//! - Only loopback addresses and namespaces made here receive traffic.

pub mod address;
pub mod backend;
pub mod bootstrap;
pub mod certs;
pub mod client;
pub mod differences;
pub mod http1;
pub mod judge;
pub mod mesh;
pub mod netns;
pub mod normalize;
pub mod outcome;
pub mod process;
pub mod report;
pub mod runner;
pub mod subject;
pub mod table;
pub mod wire;
