//! Sockets: making, receiving, accepting, connecting and copying.
//!
//! The room before is the proxy's composition, which says what to open by data; the room after is the
//! kernel. TLS and HTTP lie above: they see a [`Stream`] and nothing of how it came to be.
//!
//! ```text
//!            key + options                      address + options
//!                 │                                    │
//!  handover ─► ListenerSource ─► Acceptor ─► Stream    UpstreamSocket ─► Stream
//!  (old process)     │            (per worker)  │ ▲                        ▲
//!                    └ keeps sockets by key     │ └──── copy / splice ─────┘
//!                                               └ Prefixed: bytes read early are replayed
//! ```
//!
//! Invariants:
//! - Every listening socket comes from one [`ListenerSource`]; a key that stays in use keeps its
//!   socket, so no connection in its accept queue is lost by a change of configuration.
//! - Nothing here resolves names, reads configuration or knows a protocol.
//! - Buffers are bounded: [`copy::BUFFER_MAX`] a direction, [`prefixed`] by the caller's limit,
//!   [`handover::MESSAGE_MAX`] a message.
//! - `unsafe` is allowed in this crate alone and used for two things: owning a received descriptor, and
//!   asking the allocator to give memory back ([`memory`]).

pub mod accept;
pub mod address;
mod bind;
pub mod connect;
pub mod copy;
pub mod destination;
pub mod handover;
pub mod keepalive;
pub mod key;
pub mod memory;
pub mod netns;
pub mod prefixed;
pub mod rlimit;
pub mod source;
mod splice;
pub mod stream;

pub use accept::{Accepted, Acceptor};
pub use address::Address;
pub use connect::{ConnectError, UpstreamSocket};
pub use copy::{CopyOptions, CopyReport, End, Meter, Side};
pub use destination::original_destination;
pub use keepalive::Keepalive;
pub use key::{ListenOptions, Sharing, SocketKey};
pub use netns::Namespace;
pub use prefixed::Prefixed;
pub use source::{BoundListener, ListenError, ListenerSource};
pub use stream::Stream;
