//! Both ends of xDS streams.
#![forbid(unsafe_code)]

pub mod client;
