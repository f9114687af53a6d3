//! Prints what conversion has to say of a bootstrap: `cargo run --example findings -- envoy.yaml`.
#![allow(clippy::print_stdout, reason = "an example")]

use weft_proto::envoy::config::bootstrap::v3::Bootstrap;
use weft_tables::convert::{self, DataSource};

/// Files and environment of this process.
struct Here;

impl DataSource for Here {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        std::fs::read(path).map_err(|error| error.to_string())
    }

    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for path in std::env::args().skip(1) {
        let proto = weft_proto::text::parse_yaml::<Bootstrap>(&std::fs::read_to_string(&path)?).accepted()?;
        let (tables, findings) = convert::bootstrap(&proto, &Here);
        println!("{path}: {} listeners, {} clusters", tables.listeners.len(), tables.clusters.len());
        for finding in findings {
            println!("  {finding}");
        }
    }
    Ok(())
}
