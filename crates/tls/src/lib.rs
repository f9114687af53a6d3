//! TLS on both sides of a call: configuration as data becomes something that shakes hands, and the
//! peer's certificate becomes facts that policy and logs can use.
//!
//! The room before is `weft-tables` (what is configured) and any byte stream; the room after is HTTP
//! or a byte copy, which get a stream and a [`PeerFacts`].
//!
//! ```text
//!   SecretStore ──► ServerContext ──► ServerAcceptor ──► accept(stream, limit)  ─┐
//!     (by name,  │    (rebuilds)       (one set of secrets)                      ├─► stream + PeerFacts
//!   may change)  └► ClientContext ──► ClientConnector ──► connect(stream, …)    ─┘
//!                                              │
//!                          Verifier: roots, names, hashes, revocation
//! ```
//!
//! Invariants:
//! - No process-wide default provider and no process-wide identity: everything hangs on a value.
//! - Connections live on through a change of secrets; sessions and tickets of the old secrets are
//!   not resumed with the new ones, since each build has its own.
//! - A resumed session is held to everything that a new one is: chain, validity, names. The peer's chain is
//!   verified once a build and remembered while it is valid.
//! - No certificate, however built, makes anything here panic.

pub mod certificate;
mod chain;
pub mod client;
pub mod context;
mod dn;
pub mod error;
pub mod handshake;
mod material;
mod names;
pub mod parameters;
mod passed;
pub mod peer;
pub mod reason;
mod resolve;
pub mod server;
mod sessions;
pub mod store;
pub mod suite;
pub mod verify;
pub mod xfcc;

pub use certificate::Certificate;
pub use client::{ClientConnector, ClientStream, ConnectOptions};
pub use context::{ClientContext, ServerContext};
pub use error::ContextError;
pub use handshake::HandshakeError;
pub use peer::PeerFacts;
pub use server::{ServerAcceptor, ServerStream};
pub use store::SecretStore;
pub use verify::VerifyError;
