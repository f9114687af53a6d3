//! Builds the schema table of `weft-proto` and the Rust types of the messages in `proto/`.
//!
//! ```text
//! envoy-types' types.bin ──┬─► extra fields, secrets ──┐
//!                          │                           ├──► select ──► emit: $OUT_DIR/schema.rs
//! proto/*.proto ───────────┴─► own: descriptors ───────┘
//!                                └──► Rust types: $OUT_DIR/<package>.rs
//! ```

// Cargo is spoken to on standard output.
#![allow(clippy::print_stdout)]

mod emit;
mod extra;
mod locate;
mod own;
mod select;
mod sensitive;

use std::error::Error;
use std::path::PathBuf;

use prost::Message;
use prost_types::FileDescriptorSet;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build");
    println!("cargo::rerun-if-changed=proto");
    let manifest_dir = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").ok_or("CARGO_MANIFEST_DIR")?);
    let out_dir = PathBuf::from(std::env::var_os("OUT_DIR").ok_or("OUT_DIR")?);

    let types_bin = locate::types_bin(&manifest_dir)?;
    println!("cargo::rerun-if-changed={}", types_bin.display());
    // Tests compare with prost-reflect over the same file.
    println!("cargo::rustc-env=WEFT_TYPES_BIN={}", types_bin.display());

    let bytes = std::fs::read(&types_bin)?;
    let sensitive = sensitive::fields(&bytes)?;
    let mut set = FileDescriptorSet::decode(bytes.as_slice())?;
    set.file.extend(own::compile(&manifest_dir.join("proto"), &set, &out_dir)?.file);
    extra::add(&mut set)?;

    let selection = select::select(&set)?;
    std::fs::write(out_dir.join("schema.rs"), emit::emit(&selection, &sensitive)?)?;
    Ok(())
}
