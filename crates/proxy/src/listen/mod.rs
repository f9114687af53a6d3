//! The downstream edge: accept → detect → choose a chain → secure → hand over.

pub(crate) mod accepted;
pub(crate) mod active;
pub(crate) mod follow;
pub(crate) mod inspect;
pub(crate) mod listener;
pub(crate) mod seldom;
pub(crate) mod serve;
