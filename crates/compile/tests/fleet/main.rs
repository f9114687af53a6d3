//! Laws of what is made a little at a time: after any changes it is what is made of the whole, and a change of
//! endpoints costs the same in a mesh of any size.
// Helpers of tests may panic as tests do.
#![allow(clippy::unwrap_used)]

mod laws;
mod mesh;
mod size;
