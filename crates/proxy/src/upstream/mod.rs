//! Toward endpoints: clusters as this worker sees them, connections, and the right to use one.

pub(crate) mod chosen;
pub(crate) mod cluster;
pub(crate) mod connect;
pub(crate) mod discover;
pub(crate) mod health;
pub(crate) mod lease;
pub(crate) mod probe;
pub(crate) mod shared;
