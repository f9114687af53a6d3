//! The objects that configure a mesh, as typed values: Istio's kinds with all their fields, and
//! Kubernetes' kinds as far as a mesh reads them.
//!
//! ```text
//! YAML, JSON ──► decode ──► Decoded { object | diagnostics } ──► source, model, compile
//!                  │ split   one document each, so that a syntax error stays in its own
//!                  │ tree    values with line and column
//!                  │ record  tree → struct, by the field tables in `istio` and `kube`
//!                  └ check   what a schema cannot say: weights, hosts, exclusive fields
//! ```
//!
//! - [`decode()`]: text to objects and diagnostics.
//! - [`Object`]: one object with its name, labels, origin and the place where it was written.
//! - [`istio`], [`kube`]: the kinds.
//! - [`Diagnostic`]: what is wrong, where, and what to write instead; [`Code`] lists every cause.
//!
//! ```
//! let text = "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: reviews}\nspec:\n  \
//!             hosts: [reviews]\n  http:\n  - rout:\n    - destination: {host: reviews}\n";
//! let decoded = weft_api::decode(text, "reviews.yaml");
//! assert!(decoded[0].object.is_none());
//! assert_eq!(
//!     decoded[0].diagnostics[0].to_string(),
//!     "reviews.yaml:7:5: error WEFT0101: VirtualService default/reviews: spec.http[0].rout: \
//!      unknown field (did you mean route?)"
//! );
//! ```
//!
//! # Invariants
//! - One bad document harms only itself (`tests/isolation.rs`).
//! - No field of an Istio kind is ignored in silence: it is read, or a diagnostic names it
//!   (`tests/every_field.rs`).
//! - An [`Object`] exists only if no diagnostic about it is an error.
//! - Text of any kind gives diagnostics, never a panic, within the limits of [`decode::limits`]
//!   (`tests/hostile.rs`).
#![forbid(unsafe_code)]

mod check;
pub mod decode;
pub mod diagnostic;
pub mod istio;
pub mod kind;
pub mod kube;
pub mod object;
mod path;
mod places;
mod report;
pub mod value;

pub use decode::{Decoded, decode};
pub use diagnostic::{Code, Diagnostic, Severity};
pub use kind::Kind;
pub use object::{Meta, Object, ObjectRef, Origin, Source, Spec};
pub use places::Places;
