//! Kubernetes as a source of objects: what a folder of files gives, given by an API server.
//!
//! ```text
//!  API server ──watch, one for each kind──► follow ──Change──► collect: Held + quiet time ──► Update
//!      │         (kube's watcher: list,       │ trim, read      (who held what; last good)      (as a
//!      │          resume, list again)         └ (no I/O)                                         folder's)
//!      ├── TokenReview ◄── reviews: whose token is this
//!      ├── Secret, ConfigMap ◄── named: the authority, the mesh's settings, roots in each namespace
//!      ├── webhook configurations ◄── webhooks: whom to trust, and that we answer
//!      ├── status of objects ◄── conditions: whether they are in effect
//!      ├── Leases ◄── leases: which replica writes
//!      └── version
//! ```
//!
//! - [`connect()`]: the way to the API server; [`Source`]: the objects; [`inventory`]: those that have a status,
//!   which [`conditions`] writes.
//! - [`Reviews`], [`named`], [`roots`], [`webhooks`], [`leases`]: the little else that the mesh reads and writes.
//!
//! # Invariants
//! - Objects are read by [`weft_api::decode()`] from the text that a file would hold, so that the same objects
//!   make the same mesh wherever they come from (`tests/cluster/source.sh`).
//! - The first [`weft_source::Update`] holds all of the cluster; a kind that the API server does not know yet is
//!   waited for, and holds up nothing.
//! - A broken watch changes nothing: what is held stays until a new list replaces it.
//! - What nobody reads is dropped before an object is kept ([`trim`]).
//! - A broken object changes nothing but itself: its last good version stays in force.
#![forbid(unsafe_code)]

pub mod access;
mod backoff;
mod collect;
pub mod conditions;
pub mod connect;
mod follow;
mod held;
pub mod inventory;
pub mod kinds;
pub mod leases;
pub mod named;
mod read;
pub mod reviews;
pub mod roots;
mod source;
pub mod trim;
mod version;
pub mod webhooks;

pub use connect::{ConnectError, connect};
pub use kube::Client;
pub use reviews::{Account, ReviewError, Reviews};
pub use source::Source;
pub use version::version;
