//! The program `weft`: a whole mesh on one machine, without root and without Kubernetes.
//!
//! ```text
//! weft demo, weft up                         weft run (another terminal)
//!    │ args ─► siblings (programs) ─► mesh       │ finds the mesh by its run folder
//!    ▼                                 │         ▼
//!  folder: Pods, tokens, logs  ◄───────┴──── one more Pod, token, sidecar and the user's program
//!    ▲ read by weftd                             (listening: not on every address)
//!    │
//!  supervise ─► weftd, weft-proxy router, weft-proxy sidecar …, weft-bookinfo …   (child ◄─ launch)
//!    │ scraped at podIP:15090
//!  session ─► prometheus ─► figures ─► view: table, lines, JSON
//! ```
//!
//! The children are the programs that a cluster runs, with the same flags, talking the same ADS, TLS and
//! certificate service: nothing is done in process instead.
//!
//! # Invariants
//! - Every child is killed with its parent, whatever ends that (`launch`; `tests/children.rs`).
//! - Secrets lie in folders of mode 0700, which are removed at the end, or at the next start after a crash.
//! - Nothing of the user's is overwritten or removed: a folder of ours is, if nobody has changed it.
//! - Everything listens on loopback addresses.
#![forbid(unsafe_code)]

mod address;
mod args;
pub mod child;
mod demo;
mod figures;
mod folder;
mod http;
mod kube_inject;
pub mod launch;
mod listening;
mod load;
mod log_follower;
mod mesh;
mod program;
mod prometheus;
mod proxies;
mod run;
mod services;
mod session;
mod siblings;
mod signals;
pub mod supervise;
mod up;
mod view;
mod workload;

pub use program::main;
