//! Verdicts of calls on small worlds.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod connections;
mod requests;
mod world;
