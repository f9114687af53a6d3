//! The server's end of ADS streams.
//!
//! ```text
//!  request ──► Protocol::read ──► Ask ──► Session::receive ─┐      one Channel per type:
//!  new set ─────────────────────────────► Session::set ─────┤      names, what the client was told,
//!  timer ───────────────────────────────────────────────────┤      what is on its way
//!                                                           ▼
//!  response ◄── Protocol::write ◄── Reply ◄──────── Session::poll ── Gate: whose turn it is
//! ```
//!
//! - [`Session`]: one stream, without I/O; generic over [`Delta`] and [`StateOfTheWorld`].
//! - [`Ads`]: the gRPC service around it, over a [`Provider`] of sets.
//! - [`Streams`]: what each stream was sent, acknowledged and refused, for the debug page.

mod ask;
mod channel;
mod limits;
mod order;
mod protocol;
mod provider;
mod record;
mod service;
mod session;
mod stream;
mod told;

pub use ask::{Ask, Names, Refusal, Reply, Violation};
pub use limits::Limits;
pub use protocol::{Delta, Protocol, StateOfTheWorld};
pub use provider::Provider;
pub use record::{Nack, SessionStatus, Stamp, StreamStatus, Streams, Totals, TypeStatus};
pub use service::Ads;
pub use session::Session;
