//! Generators of this program (`xtask bench load …`), which say what they did as JSON.

use super::{Done, said};
use crate::bench::figures::{Figure, Sample};
use crate::bench::ground::Ground;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

/// What a generator says.
#[derive(Debug, Default, Clone, Copy, Serialize, Deserialize)]
pub(in crate::bench) struct Said {
    pub(in crate::bench) operations: f64,
    pub(in crate::bench) per_second: f64,
    pub(in crate::bench) p50_ms: f64,
    pub(in crate::bench) p99_ms: f64,
}

pub(super) fn run(ground: &Ground, words: &[&str]) -> Result<Done> {
    let mut all = vec![ground.own.as_str(), "bench", "load"];
    all.extend(words);
    let text = said(&all)?;
    let heard: Said = serde_json::from_str(&text).with_context(|| text.clone())?;
    Ok(Done {
        operations: heard.operations,
        sample: Sample::from([
            (Figure::Rate, heard.per_second),
            (Figure::P50, heard.p50_ms),
            (Figure::P99, heard.p99_ms),
        ]),
    })
}
