//! Redirection for pods that have no rights for it: a CNI plugin and, on each node, the agent that does its work.
//!
//! ```text
//!  container runtime ─ADD─► plugin ─ Unix socket, one line of JSON ─► agent ─► API server: the pod, its annotations
//!                             │ waits; without an answer                 │
//!                             ▼ the pod does not start                   └─► rules: setns, `weft-proxy redirect`
//!  node's files ◄── install: program, entry in the .conflist ◄── agent ──► repair: pods that came before it
//! ```
//!
//! - [`plugin`]: what the runtime calls (CNI 0.3 to 1.0, chained). [`ask`]: its question and the answer.
//! - [`agent`]: the DaemonSet's program; [`install`], [`pods`], [`rules`], [`repair`]: its parts.
//!
//! Sources: HC-04, SD-04, SD-05, CP-13.
//!
//! # Invariants
//! - A pod that is to be redirected never runs unredirected: the plugin fails until the agent has set the rules, and
//!   the runtime tries again. Only the agent's own pods and the excluded namespaces pass without it.
//! - What is redirected is what the injector wrote into the pod: the trial container's own words.
//! - The node's configuration is replaced whole, by renaming; what others wrote in it stays.
//! - When the agent goes because its node is upgraded, the plugin stays and pods wait; when it is uninstalled, both go.
#![forbid(unsafe_code)]

pub mod agent;
pub mod ask;
pub mod install;
pub mod plugin;
pub mod pods;
pub mod repair;
pub mod rules;
