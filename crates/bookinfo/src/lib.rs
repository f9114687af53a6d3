//! Istio's Bookinfo sample, as one program: an application for the mesh to carry.
//!
//! ```text
//! browser ─► productpage ─┬─► details
//!                         └─► reviews  v1 no stars, v2 black, v3 red
//!                                └─► ratings   (v2 and v3 only)
//! ```
//!
//! Each process is one service; paths, JSON fields, headers passed on and waiting times are those of the
//! sample (`samples/bookinfo` of Istio), so that routing examples written for it do here what they say
//! there. Before this room: a sidecar or gateway, or nothing. After it: the other services, called
//! directly or by a sidecar as HTTP proxy.
//!
//! ```no_run
//! use clap::Parser;
//!
//! # async fn example() -> Result<(), weft_bookinfo::StartError> {
//! let options = weft_bookinfo::Options::parse_from(["weft-bookinfo", "details", "--port", "0"]);
//! let server = weft_bookinfo::Server::bind(&options).await?;
//! println!("details at {}", server.address());
//! server.run(std::future::pending()).await;
//! # Ok(())
//! # }
//! ```
//!
//! Invariants:
//! - it listens on exactly the address given; on all addresses only when asked (`--wildcard`);
//! - nothing that came from outside gets into a page unescaped, and pages load nothing from elsewhere;
//! - every call has a deadline, and every body a limit.

mod client;
mod details;
mod forwarded;
mod html;
mod options;
mod product;
mod productpage;
mod program;
mod ratings;
mod reviews;
mod server;
mod user;

pub use options::{Options, Service, Version};
pub use program::main;
pub use server::{Server, StartError};
