//! The rules of the code's structure that the compiler does not hold.

mod layers;
mod sources;
mod tables;

use crate::shell::output;
use anyhow::Result;

/// Checks all rules; whether they hold.
pub(crate) fn run() -> Result<bool> {
    let metadata = serde_json::from_str(&output(&["cargo", "metadata", "--format-version", "1"])?)?;
    let mut faults = layers::check(&metadata);
    faults.extend(sources::check()?);
    faults.extend(tables::check()?);
    for fault in &faults {
        println!("{fault}");
    }
    println!("tidy: {} faults", faults.len());
    Ok(faults.is_empty())
}
