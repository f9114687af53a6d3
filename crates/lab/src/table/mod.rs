//! The call table: worlds, their backends and their rows, as read from `table/<feature>/*.yaml`.
//!
//! A *world* is one Envoy bootstrap and a set of backends; a *row* is one story told to it. How to
//! write them is in `table/README.md`.

mod call;
mod expect;
mod reply;
mod world;

pub(crate) use call::pattern;
pub use call::{Call, Http, Move, Step, TlsCall, get};
pub use expect::{Expect, OneOrMany, SeenWant, Want};
pub use reply::{Breakage, Reply};
pub use world::{BackendSpec, BackendTls, Kind, Row, World, load};
