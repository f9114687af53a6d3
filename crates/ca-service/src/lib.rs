//! Istio's certificate service over gRPC, both ends of it.
//!
//! The room before is whoever accepts connections and knows what a peer has shown (TLS facts, tokens); the
//! room after is [`weft_ca::Authority`].
//!
//! ```text
//!  client::create ── CreateCertificate {csr, validity} ──► CertificateService
//!                                                            │ Authenticate::caller ─► SpiffeId
//!                                                            │ Authority::issue
//!                 ◄── cert_chain: leaf … roots ──────────────┘
//! ```
//!
//! Semantics: inventory rows CP-17 and CP-18.
//!
//! # Invariants
//! - The name in a certificate comes from [`Authenticate`] alone. A caller that is not authenticated gets
//!   nothing, and his request is not looked at.
//! - What we cannot do (speak for others, use another signer) is refused, not passed over.
//! - A request has at most [`MAX_REQUEST_BYTES`].
#![forbid(unsafe_code)]

pub mod authenticate;
pub mod client;
mod metadata;
pub mod service;
mod status;

pub use authenticate::{Authenticate, PeerCertificate};
pub use service::{CertificateService, MAX_REQUEST_BYTES};
