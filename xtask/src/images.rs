//! `cargo xtask images --out DIR`: container images as docker archives. No registry is asked: an image is our
//! program, the shared libraries that it was linked with, and nothing else.
//!
//! Programs built for the machine's own C library carry that library with them (`libraries`). Built with
//! `--target x86_64-unknown-linux-musl` they are static and carry none; this needs the target
//! (`rustup target add x86_64-unknown-linux-musl`) and a C compiler for it (Debian: `musl-tools`), since AWS-LC is
//! written in C.

pub(crate) mod archive;
mod list;

use crate::shell::{command, must, output};
use anyhow::{Result, bail};
use archive::{Entry, Image};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Which images, and of what.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Folder for the archives.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Build profile of the programs.
    #[arg(long, default_value = "release")]
    profile: String,
    /// Build target; the machine's own if unset.
    #[arg(long)]
    target: Option<String>,
    /// What the names of Weft's own images begin with: the chart's `global.hub`.
    #[arg(long, default_value = "localhost/weft")]
    hub: String,
    /// Tag of Weft's own images: the chart's `global.tag`.
    #[arg(long, default_value = env!("CARGO_PKG_VERSION"))]
    tag: String,
    /// Takes the programs as they were built; a build of some packages alone may compile their dependencies anew.
    #[arg(long)]
    built: bool,
    /// Only archives whose file name contains this.
    #[arg(long, default_value = "")]
    only: String,
}

impl Options {
    /// All images, from a profile, under the names that the charts ask for.
    pub(crate) fn of(out: &Path, profile: &str, built: bool) -> Self {
        Self {
            out: out.to_owned(),
            profile: profile.to_owned(),
            built,
            target: None,
            hub: "localhost/weft".to_owned(),
            tag: env!("CARGO_PKG_VERSION").to_owned(),
            only: String::new(),
        }
    }
}

/// Builds the programs and writes the archives.
pub(crate) fn write(options: &Options) -> Result<()> {
    std::fs::create_dir_all(&options.out)?;
    let recipes: Vec<_> = list::recipes(&options.hub, &options.tag)
        .into_iter()
        .filter(|recipe| recipe.file.contains(&options.only))
        .collect();
    if recipes.is_empty() {
        bail!("no image has {:?} in its name", options.only);
    }
    if !options.built {
        build(options, &recipes)?;
    }
    for recipe in &recipes {
        let image = assemble(options, recipe)?;
        let path = options.out.join(format!("{}.tar", recipe.file));
        let size = archive::write(&image, &path)?;
        println!("{:40} {:6.1} MB  {}", recipe.name, size as f64 / 1e6, path.display());
    }
    Ok(())
}

fn build(options: &Options, recipes: &[list::Recipe]) -> Result<()> {
    let mut packages: Vec<&str> = recipes.iter().map(|recipe| recipe.package).collect();
    packages.extend(recipes.iter().flat_map(|recipe| recipe.also).map(|(package, ..)| *package));
    packages.sort_unstable();
    packages.dedup();
    let mut build = command(&["cargo", "build", "--quiet", "--profile", &options.profile]);
    for package in packages {
        build.args(["-p", package]);
    }
    if let Some(target) = &options.target {
        build.args(["--target", target]);
    }
    must(build)
}

/// Where cargo leaves a program of this machine's target.
pub(crate) fn built(profile: &str, program: &str) -> PathBuf {
    target(None, profile).join(program)
}

fn target(target: Option<&str>, profile: &str) -> PathBuf {
    let mut folder =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from);
    folder.extend(target);
    // Cargo's name for the folder of its `dev` profile.
    folder.join(if profile == "dev" { "debug" } else { profile })
}

fn assemble(options: &Options, recipe: &list::Recipe) -> Result<Image> {
    let mut entries = BTreeMap::new();
    let programs = target(options.target.as_deref(), &options.profile);
    with_libraries(&mut entries, &programs.join(recipe.program), Path::new(recipe.at))?;
    for (_, program, at) in recipe.also {
        with_libraries(&mut entries, &programs.join(program), Path::new(at))?;
    }
    for path in recipe.tools.iter().map(|tool| find(tool)).collect::<Result<Vec<_>>>()?.into_iter().flatten()
    {
        with_libraries(&mut entries, &path, &path)?;
    }
    for (link, to) in recipe.links {
        entries.insert((*link).to_owned(), Entry::Link((*to).to_owned()));
    }
    Ok(Image {
        name: recipe.name.clone(),
        user: recipe.user.to_owned(),
        entrypoint: recipe.entrypoint.clone(),
        environment: recipe.environment.clone(),
        entries,
    })
}

/// Adds a file and the libraries that it needs.
pub(crate) fn with_libraries(entries: &mut BTreeMap<String, Entry>, source: &Path, at: &Path) -> Result<()> {
    for library in libraries(source)? {
        entries.insert(library.clone(), Entry::File(PathBuf::from(library)));
    }
    entries.insert(at.display().to_string(), Entry::File(source.to_owned()));
    Ok(())
}

/// Shared libraries of a program, and the loader; none for a static program or a file that is no program.
fn libraries(program: &Path) -> Result<Vec<String>> {
    if !program.exists() {
        bail!("{} is not there", program.display());
    }
    let listed = output(&["ldd", &program.display().to_string()]).unwrap_or_default();
    let path = |line: &str| line.split_whitespace().find(|word| word.starts_with('/')).map(str::to_owned);
    Ok(listed.lines().filter(|line| line.contains(" (0x")).filter_map(path).collect())
}

/// Files of a tool: itself, or all files of a folder.
fn find(path: &str) -> Result<Vec<PathBuf>> {
    let path = Path::new(path);
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files: Vec<PathBuf> = std::fs::read_dir(path)?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.is_file())
        .collect();
    files.sort();
    Ok(files)
}
