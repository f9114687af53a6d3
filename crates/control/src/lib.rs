//! The control plane: objects to xDS for each proxy, and the certificate authority, on one TLS port.
//!
//! The room before are folders of objects; the room after is any xDS client: Envoy, `weft-proxy`.
//!
//! ```text
//!  folders ─ Watch ─► world: merge ─► Snapshot ─ watch ─► nodes: a fleet of proxies ──────► Ads ─┐
//!                          └► diagnostics ◄── findings: diagnose ┘                              ├─► TLS port
//!  state folder ─► certificates: authority ─► CertificateService ───────────────────────────────┤
//!                                └► own certificate, root-cert.pem                              │
//!  client certificate or token ─► callers: who calls ◄── listen: accept, handshake ◄────────────┘
//! ```
//!
//! - [`settings`]: what the program is told; [`run`]: all of it put together.
//! - [`world`], [`nodes`]: objects to sets, of which proxies share what is the same; [`findings`]: what is
//!   said of objects for them; [`callers`], [`tokens`]: who calls.
//! - [`kubernetes`]: a cluster as a source, its tokens, its Secrets, its webhooks; [`leases`]: which replica writes;
//!   [`status`]: whether objects are in effect, told to them; [`secrets`]: certificates that gateways name.
//! - [`certificates`], [`listen`]: the port; [`debug`]: the pages.
//!
//! # Invariants
//! - Nobody gets anything without an identity, and a node nothing of another's (`tests/weftd.rs`).
//! - A change of objects reaches the proxies that it concerns within a second, and no others.
//! - A snapshot or a set that cannot be made leaves the last one in force.
//! - Connections, handshakes, requests and names are bounded ([`listen`], [`weft_xds::server::Limits`]).
#![forbid(unsafe_code)]

pub mod callers;
pub mod certificates;
pub mod debug;
pub mod findings;
pub mod kubernetes;
pub mod leases;
pub mod listen;
pub mod mesh_config;
pub mod nodes;
pub mod run;
pub mod secrets;
pub mod settings;
pub mod status;
pub mod tokens;
pub mod world;

pub use run::{Weftd, start};
pub use settings::Settings;
