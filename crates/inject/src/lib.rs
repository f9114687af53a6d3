//! Which pods get a sidecar, and what a pod with one looks like: pod + settings → the same pod with a proxy.
//!
//! ```text
//!  ConfigMap istio-sidecar-injector ──► settings ─┐
//!                                                 ▼
//!  pod, namespace, owner ──► decision (CP-11) ──► template: sidecar | gateway ──► merge with the pod ──► patch
//!                                                 container, environment,        probes, metrics,
//!                                                 volumes, redirection           labels, annotations
//! ```
//!
//! - [`Injector::inject`]: one pod; [`review`]: an AdmissionReview in, one out; [`resource`]: files for `weft kube-inject`.
//! - [`decision`]: the order of what counts. Source: CP-10 to CP-15, AN-05 to AN-50.
//!
//! # Invariants
//! - Pure: a pod's bytes alone decide, so that webhook and `kube-inject` agree.
//! - Injecting what is injected changes nothing.
//! - Fields of the pod that are not known here stay as they are.
//! - No container gets rights, but for the init container that redirects, which the CNI makes needless.
#![forbid(unsafe_code)]

mod container;
pub mod decision;
mod environment;
mod merge;
mod owner;
mod pod;
mod probes;
mod redirection;
pub mod resource;
pub mod review;
mod settings;
mod volumes;

pub use decision::{Decision, Reason};
pub use owner::Owner;
pub use pod::Outcome;
pub use settings::{InjectError, Injector};
