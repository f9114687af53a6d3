//! What stands beside a proxy: who it is, how it reaches the control plane, and all that Envoy needs of an agent.
//!
//! The room before is the control plane (certificate service and ADS over TLS); the room after is a proxy:
//! ours takes certificates in process, Envoy takes everything over Unix sockets in a private folder.
//!
//! ```text
//!                     ┌── identity ── CSR, renewal ──┐
//!  control plane ◄────┤ channel: TLS, roots by file  │ watch<WorkloadCertificate>
//!                     └── forward ◄─┐                ├──► weft-proxy (in process)
//!                                   │ XDS socket     └──► sds ── socket ──┐
//!  Envoy ◄── bootstrap (node, static clusters) ◄──────────────────────────┘
//! ```
//!
//! - [`settings`]: flags and Istio's environment variables → one checked value; [`node`] makes the node of it.
//! - [`channel`], [`token`]: a connection to the control plane; [`identity`]: the workload's certificate.
//! - [`sds`], [`forward`]: what Envoy asks of an agent, on Unix [`socket`]s; [`bootstrap`]: Envoy's file.
//! - [`envoy`]: Envoy as a child; [`status`]: the agent's port, by [`readiness`], [`metrics`] and [`probes`] of
//!   the application; [`run`]: all together.
//!
//! Source: inventory rows SD-01, SD-17 to SD-19, CP-04, CP-14, CP-17.
//!
//! # Invariants
//! - The private key leaves the process over the SDS socket alone, which only its owner can open.
//! - Tokens and roots are read from their files at every attempt: both rotate.
//! - One connection has one certificate; who wants a newer one connects anew.
//! - A failure of the control plane never ends the agent, nor what the proxy does with what it has.
#![forbid(unsafe_code)]

mod address;
pub mod backoff;
pub mod bootstrap;
pub mod call;
pub mod channel;
pub mod envoy;
pub mod forward;
pub mod identity;
pub mod metrics;
pub mod node;
pub mod probes;
mod raw;
pub mod readiness;
pub mod run;
pub mod sds;
pub mod settings;
pub mod socket;
pub mod status;
mod structs;
pub mod token;
