//! `cargo xtask crds`: the chart's definitions from crates/crd.

use anyhow::{Context, Result};

const FILE: &str = "charts/base/files/crds.yaml";

/// Writes the chart's file; says whether it has changed.
pub(crate) fn write() -> Result<()> {
    let text = weft_crd::stream();
    let changed = std::fs::read_to_string(FILE).map_or(true, |before| before != text);
    if changed {
        std::fs::write(FILE, &text).with_context(|| format!("writing {FILE}"))?;
    }
    println!("{FILE}: {}", if changed { "written" } else { "unchanged" });
    Ok(())
}
