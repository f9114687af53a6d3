//! A snapshot and a proxy become that proxy's xDS resources.
#![forbid(unsafe_code)]

pub mod capabilities;
pub mod cluster;
pub mod endpoint;
pub mod filter;
pub mod gateway;
pub mod inbound;
mod message;
pub mod outbound;
mod provenance;
pub mod proxy;
pub mod route;
pub mod security;
pub mod view;
