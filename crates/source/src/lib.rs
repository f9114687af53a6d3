//! A folder of YAML and JSON files as a source of objects, read whole and watched live.
//!
//! ```text
//! files ──notify──► Debounce ──due──► Tree: scan, read what changed ──FileChange──► Folder ──► Update
//!                   (time is          (I/O: stat, read)                          (no I/O: who claims
//!                    an argument)                                                 what, last good)
//! ```
//!
//! - [`Watch`]: the whole of it on one thread; updates go to a function of the caller.
//! - [`Folder`]: the rules, without I/O.
//! - [`limits`]: what a folder may cost.
//!
//! # Invariants
//! - The folder holds desired state: a changed file replaces what it held, a removed file removes it.
//! - A broken document changes nothing but its own object, whose last good version stays in force.
//! - Of two documents with the same kind, namespace and name, the one accepted first stays.
//! - Who applies every [`Update`] to an empty map holds exactly the objects in force (`tests/folder.rs`).
#![forbid(unsafe_code)]

mod debounce;
pub mod folder;
pub mod limits;
mod tree;
pub mod watch;

pub use folder::{Contents, FileChange, Folder, Update};
pub use watch::{Watch, WatchError};
