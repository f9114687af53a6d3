//! Compiles the messages of `proto/`, which envoy-types lacks.

use std::error::Error;
use std::path::{Path, PathBuf};

use prost::Message;
use prost_types::{DescriptorProto, FileDescriptorSet};
use protox::Compiler;
use protox::file::{ChainFileResolver, DescriptorSetFileResolver, GoogleFileResolver, IncludeFileResolver};

/// Compiles all files of `proto_dir` to descriptors, and from these to Rust types in `out_dir`, one
/// file a package. They may import what envoy-types has.
pub(crate) fn compile(
    proto_dir: &Path,
    types: &FileDescriptorSet,
    out_dir: &Path,
) -> Result<FileDescriptorSet, Box<dyn Error>> {
    let files = proto_files(proto_dir)?;
    let mut resolver = ChainFileResolver::new();
    resolver.add(IncludeFileResolver::new(proto_dir.to_owned()));
    resolver.add(DescriptorSetFileResolver::new(types.clone()));
    resolver.add(GoogleFileResolver::new());
    let mut compiler = Compiler::with_file_resolver(resolver);
    compiler.include_imports(true).include_source_info(true).open_files(&files)?;
    let with_imports = compiler.file_descriptor_set();
    let is_own = |name: &str| files.iter().any(|file| file == Path::new(name));

    let mut config = prost_build::Config::new();
    config.out_dir(out_dir).enable_type_names().type_name_domain(["."], "type.googleapis.com");
    config.compile_well_known_types();
    for file in with_imports.file.iter().filter(|file| !is_own(file.name())) {
        let module = rust_path(file.package());
        let package = file.package();
        for found in &file.enum_type {
            config.extern_path(format!(".{package}.{}", found.name()), format!("{module}::{}", found.name()));
        }
        for message in &file.message_type {
            let outer = message.name();
            config.extern_path(format!(".{package}.{outer}"), format!("{module}::{outer}"));
            // Of itself prost-build would not find a message in a message of a package called `type`.
            for nested in message.nested_type.iter().map(DescriptorProto::name) {
                let path = format!("{module}::{}::{nested}", snake_case(outer));
                config.extern_path(format!(".{package}.{outer}.{nested}"), path);
            }
        }
    }
    config.compile_fds(with_imports.clone())?;

    let mut own = with_imports;
    own.file.retain(|file| is_own(file.name()));
    // Tests add these to the descriptors of envoy-types.
    std::fs::write(out_dir.join("own.bin"), own.encode_to_vec())?;
    Ok(own)
}

/// All `.proto` files under a folder, by their paths from there.
fn proto_files(folder: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(current) = open.pop() {
        for entry in std::fs::read_dir(current)? {
            let path = entry?.path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "proto") {
                found.push(path.strip_prefix(folder)?.to_owned());
            }
        }
    }
    found.sort();
    Ok(found)
}

/// The module of a package in envoy-types.
fn rust_path(package: &str) -> String {
    let mut path = "::envoy_types::pb".to_owned();
    for part in package.split('.') {
        path.push_str(if part == "type" { "::r#" } else { "::" });
        path.push_str(part);
    }
    path
}

fn snake_case(name: &str) -> String {
    let mut snake = String::new();
    for character in name.chars() {
        if character.is_ascii_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.push(character.to_ascii_lowercase());
    }
    snake
}
