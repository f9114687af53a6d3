//! The messages of the proxy's configuration, and their text form.
//!
//! The one door to xDS messages: other crates write `weft_proto::envoy::config::cluster::v3::Cluster`
//! and never name the crate that the types come from.
//!
//! ```text
//! bootstrap file ──► text ──► typed messages ──► tables (the room after)
//! xDS stream ──────► scan (unknown fields) ──────┘
//! config dump ◄──── json ◄── wire bytes
//!                     └────┴── schema: a static table made by the build script
//! ```
//!
//! - [`envoy`], [`google`], [`xds`], [`udpa`]: the messages; [`pb`] is all of them.
//! - [`istio`]: messages of Istio's own calls and extensions.
//! - [`hbone`]: our own.
//! - [`type_url`], [`any`]: names of messages on the wire, packing and unpacking.
//! - [`text`]: YAML and JSON to messages, with every problem and its place.
//! - [`json`]: wire bytes to proto-JSON, nested `Any` expanded.
//! - [`scan`]: what wire bytes hold that the schema does not know.
//! - [`canonical`]: one byte form for equal messages, whatever order their maps have.
//! - [`resource`]: resources as they go over an xDS stream.
//! - [`schema`]: names, numbers and types of all fields.
//!
//! ```
//! use weft_proto::envoy::config::cluster::v3::Cluster;
//!
//! let cluster: Cluster = weft_proto::text::parse_yaml("{name: a, connect_timeout: 0.25s}").accepted()?;
//! assert_eq!(cluster.connect_timeout.map(|timeout| timeout.nanos), Some(250_000_000));
//!
//! let typo = weft_proto::text::parse_yaml::<Cluster>("name: a\nconect_timeout: 1s");
//! assert_eq!(
//!     typo.problems[0].to_string(),
//!     "line 2, column 1: conect_timeout: unknown field of envoy.config.cluster.v3.Cluster; \
//!      did you mean connect_timeout?"
//! );
//! # Ok::<(), weft_proto::text::Problems>(())
//! ```
//!
//! # Invariants
//! - No descriptor pool in a running proxy: the schema is read-only data, and costs nothing at start.
//! - Nothing is dropped in silence: a field that text or bytes have and the schema has not is reported.
//! - No text and no bytes can panic a reader or make it use memory without bound; depth, size and
//!   number of findings have named limits.
#![forbid(unsafe_code)]

pub mod any;
mod base64_text;
pub mod canonical;
mod duration;
pub mod hbone;
pub mod istio;
pub mod json;
mod path;
pub mod resource;
pub mod scan;
pub mod schema;
pub mod text;
mod timestamp;
pub mod type_url;
pub mod udpa;
mod wire;
pub mod xds;

pub use envoy_types::pb;
pub use envoy_types::pb::{envoy, google};
pub use wire::WireError;
