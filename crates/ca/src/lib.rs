//! The certificate authority of the mesh: who may call himself what, for how long, signed by whom.
//!
//! The room before is whoever authenticated a caller (the certificate service) or keeps the root
//! (`weft-ca-store`); the room after is TLS, which gets chains, keys and roots as PEM.
//!
//! ```text
//!  workload's side                            authority's side
//!  CertificateRequest::new ── CSR ─────────►  Authority::issue(csr, identity of the caller, now)
//!        │ key stays here                        │  possession proven? key strong enough?
//!        ▼                                       ▼  name: the caller's, never the CSR's
//!  CertificateRequest::accept ◄── chain ───── leaf, intermediates…, roots
//!        │
//!        ▼
//!  WorkloadCertificate ──► rotation::renew_at: half of its life
//! ```
//!
//! [`Authority::serve`] issues the control plane's own certificate, in the names that proxies verify.
//!
//! Semantics are those of Istio's authority (inventory rows CP-17, CP-19 and SD-17).
//!
//! # Invariants
//! - The name in a certificate is the authenticated caller's. Nothing that a CSR asks for (names, usages,
//!   other extensions) is read; only its key is, and only if the caller holds it.
//! - No socket, no file, no clock, no dice: times and jitter are arguments. Keys, serial numbers and
//!   signatures draw from the cryptographic library alone.
//! - No certificate outlives the authority's own chain.
//! - No bytes, however built, make anything here panic; sizes have named limits.
//! - Private keys are never shown by `Debug`, and are wiped when dropped.
#![forbid(unsafe_code)]

pub mod authority;
mod csr;
pub mod error;
mod issue;
pub mod lifetime;
mod load;
mod pem;
mod profile;
pub mod request;
pub mod rotation;
pub mod serving;
mod signer;
mod trust;

pub use authority::{Authority, Policy};
pub use csr::{MAX_CSR_BYTES, MAX_RSA_BITS, MIN_RSA_BITS};
pub use error::{Fault, IssueError, LoadError, RenewError};
pub use lifetime::Lifetime;
pub use load::{AuthorityFiles, MAX_CHAIN_CERTIFICATES, MAX_FILE_BYTES, MAX_ROOTS, PemFile};
pub use profile::CLOCK_SKEW;
pub use request::{AcceptError, CertificateRequest, PrivateKey, WorkloadCertificate};
pub use serving::ServingCertificate;
