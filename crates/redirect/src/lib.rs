//! Which connections of a pod go to its proxy: settings → rules → text for `iptables-restore` or `nft -f`.
//!
//! ```text
//!  settings ──► rules (per family: chains of matches and verdicts) ──┬──► iptables text, for each family
//!  (flags,      ▲ the one place that knows what is redirected        └──► nft text, both families
//!  annotations)                                 cleanup: what `iptables-save` shows ──► text that removes it
//! ```
//!
//! - [`Settings`]: what is to be redirected, in the words of Istio's flags and annotations (SD-04, AN-35 to AN-42).
//! - [`rules`]: the chains (SD-02): `ISTIO_INBOUND`, `ISTIO_IN_REDIRECT`, `ISTIO_OUTPUT`, `ISTIO_REDIRECT`,
//!   `ISTIO_OUTPUT_DNS`, `ISTIO_DIVERT`, `ISTIO_TPROXY`, `ISTIO_DROP`.
//! - [`iptables`], [`nft`]: their text. [`routing`]: what TPROXY needs of the routing tables.
//!
//! ```
//! let text = weft_redirect::nft::text(&weft_redirect::Settings::default());
//! assert!(text.contains("redirect to :15001"));
//! ```
//!
//! # Invariants
//! - Pure: nothing is run here.
//! - Both forms say the same: they are written from the same [`rules::Rule`]s.
//! - Built-in chains get nothing but jumps to chains of ours, so that whatever was set is found and removed again.
//! - What the proxy itself sends (uid and gid 1337) is never redirected to its outbound port: no loop.
#![forbid(unsafe_code)]

pub mod iptables;
mod matches;
pub mod nft;
pub mod routing;
pub mod rules;
pub mod settings;

pub use matches::{Family, Match, Owner, Protocol, State};
pub use settings::{Dns, Mode, Ports, Ranges, Settings, SettingsError};
