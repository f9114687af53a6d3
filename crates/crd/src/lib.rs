//! The custom resource definitions of Istio's fifteen kinds, declared in Rust.
//!
//! ```text
//! scalar  text, port, duration …      ┐
//! schema  object().field(…).rule(…)   ├► kinds, and the parts that they share
//! definition  group, names, columns   ┘        │
//!                                              ▼
//! document  Definition ──► CustomResourceDefinition (JSON) ──► yaml ──► charts/base/files/crds.yaml
//! difference  two schema trees ──► every difference, by its path
//! ```
//!
//! - [`definitions()`]: all kinds, as `cargo xtask crds` writes them into the chart `base`.
//! - [`difference::of_definitions`]: what two sets of definitions disagree about, descriptions left out.
//!
//! ```
//! let all = weft_crd::definitions();
//! let document = all.iter().find(|one| one.kind == "VirtualService").map(weft_crd::document);
//! assert_eq!(document.unwrap()["metadata"]["name"], "virtualservices.networking.istio.io");
//! ```
//!
//! # Invariants
//! - Names, versions, fields, types, bounds, enumerations, rules and printer columns are Istio's (rows CRD-01
//!   to CRD-16): `tests/istio.rs` compares the trees where Istio's are at hand.
//! - The chart holds exactly what is declared here (`tests/chart.rs`).
//! - What the API server lets pass, `weft-api` reads: each declared field of the kinds that it has
//!   (`tests/fields.rs`).
#![forbid(unsafe_code)]

mod definition;
pub mod difference;
mod document;
mod kinds;
mod parts;
mod scalar;
mod schema;
mod yaml;

pub use definition::{Column, Definition};
pub use document::document;
pub use kinds::definitions;
pub use schema::Schema;
pub use yaml::{stream, yaml};
