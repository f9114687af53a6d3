//! Builds the schema table of `weft-proto` and the Rust types of the messages in `proto/`.
//!
//! ```text
//! envoy-types' types.bin ──┐
//!                          ├──► select (what configuration can name) ──► emit: $OUT_DIR/schema.rs
//! proto/*.proto (protox) ──┤
//!                          └──► prost-build: $OUT_DIR/<package>.rs
//! ```

// Cargo is spoken to on standard output.
#![allow(clippy::print_stdout)]

mod emit;
mod locate;
mod select;

use std::error::Error;
use std::path::{Path, PathBuf};

use prost::Message;
use prost_types::FileDescriptorSet;

/// Messages that the envoy-types crate lacks. A new file here is a new message everywhere: in the
/// schema table, in text form, in dumps, and as a Rust type that `src/own.rs` re-exports.
const OWN_FILES: [&str; 2] = ["udpa/type/v1/typed_struct.proto", "xds/type/v3/typed_struct.proto"];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build");
    println!("cargo::rerun-if-changed=proto");
    let manifest_dir = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").ok_or("CARGO_MANIFEST_DIR")?);
    let out_dir = PathBuf::from(std::env::var_os("OUT_DIR").ok_or("OUT_DIR")?);

    let types_bin = locate::types_bin(&manifest_dir)?;
    println!("cargo::rerun-if-changed={}", types_bin.display());
    // Tests compare with prost-reflect over the same file.
    println!("cargo::rustc-env=WEFT_TYPES_BIN={}", types_bin.display());

    let own = compile_own(&manifest_dir.join("proto"), &out_dir)?;
    let mut set = FileDescriptorSet::decode(std::fs::read(&types_bin)?.as_slice())?;
    set.file.extend(own.file);

    let selection = select::select(&set)?;
    std::fs::write(out_dir.join("schema.rs"), emit::emit(&selection)?)?;
    Ok(())
}

/// Compiles the messages of `proto/` to descriptors, and from these to Rust types.
fn compile_own(proto_dir: &Path, out_dir: &Path) -> Result<FileDescriptorSet, Box<dyn Error>> {
    let mut own = protox::compile(OWN_FILES, [proto_dir])?;
    prost_build::Config::new()
        .out_dir(out_dir)
        .enable_type_names()
        .type_name_domain(["."], "type.googleapis.com")
        .compile_well_known_types()
        .extern_path(".google.protobuf", "::envoy_types::pb::google::protobuf")
        .compile_fds(own.clone())?;
    // What the files import is in envoy-types already.
    own.file.retain(|file| !file.package().starts_with("google."));
    std::fs::write(out_dir.join("own.bin"), own.encode_to_vec())?;
    Ok(own)
}
