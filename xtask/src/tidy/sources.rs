//! Rules that are seen in the source text.

use super::layers::{PURE, layer};
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};

/// Longest source file, lines.
const LONGEST: usize = 700;
/// Shortest crate page, lines of `//!`.
const PAGE: usize = 2;
/// Names that say nothing about what is inside.
const NAMELESS: [&str; 6] = ["util", "utils", "manager", "helper", "helpers", "common"];
/// The only crate that may hold unsafe code.
const UNSAFE_HERE: &str = "weft-net";
const UNSAFE: [&str; 5] = ["unsafe {", "unsafe fn", "unsafe impl", "unsafe extern", "#[unsafe("];
/// What a pure crate takes as an argument instead.
const IMPURE: [&str; 5] = ["SystemTime::now", "Instant::now", "thread_rng", "rand::random", "rand::rng()"];

/// Checks every crate's sources.
pub(super) fn check() -> Result<Vec<String>> {
    let mut faults = Vec::new();
    let mut crates: Vec<PathBuf> = std::fs::read_dir("crates")?.flatten().map(|entry| entry.path()).collect();
    crates.push("xtask".into());
    crates.sort();
    for dir in crates.iter().filter(|dir| dir.join("Cargo.toml").exists()) {
        let folder = dir.file_name().unwrap_or_default().to_string_lossy();
        let name = if folder == "xtask" { folder.into_owned() } else { format!("weft-{folder}") };
        let library = dir.join("src/lib.rs");
        if name != "xtask" {
            let page = std::fs::read_to_string(&library)
                .with_context(|| format!("{}: a crate has a page", library.display()))?;
            if page.lines().take_while(|line| line.starts_with("//!")).count() < PAGE {
                faults.push(format!("{}: begins with no page about the crate", library.display()));
            }
        }
        let mut files = Vec::new();
        collect(&dir.join("src"), &mut files)?;
        for file in files {
            let text = std::fs::read_to_string(&file)?;
            faults.extend(check_file(&name, &file, &text));
        }
    }
    Ok(faults)
}

pub(super) fn collect(dir: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|ext| ext == "rs") {
            files.push(path);
        }
    }
    files.sort();
    Ok(())
}

fn check_file(name: &str, file: &Path, text: &str) -> Vec<String> {
    let shown = file.display();
    let mut faults = Vec::new();
    let lines = text.lines().count();
    if lines > LONGEST {
        faults.push(format!("{shown}: {lines} lines, more than {LONGEST}"));
    }
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    let folder = file.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
    if NAMELESS.contains(&&*stem) || (stem == "mod" && NAMELESS.contains(&&*folder)) {
        faults.push(format!("{shown}: the name says nothing about what is inside"));
    }
    let test_file = stem == "tests"
        || stem.ends_with("_tests")
        || file.components().any(|part| part.as_os_str() == "tests");
    let pure = layer(name).is_some_and(|layer| layer < PURE);
    let mut testing = test_file;
    for (number, line) in text.lines().enumerate() {
        // By custom the tests of a file are its end.
        testing |= line.trim_start().starts_with("#[cfg(test)]");
        let code = line.split("//").next().unwrap_or_default();
        let found = |words: &[&'static str]| words.iter().copied().find(|word| code.contains(word));
        // This file names what it looks for.
        if name != UNSAFE_HERE && name != "xtask" && found(&UNSAFE).is_some() {
            faults.push(format!("{shown}:{}: unsafe code outside of {UNSAFE_HERE}", number + 1));
        }
        if let Some(word) = found(&IMPURE)
            && pure
            && !testing
        {
            faults.push(format!("{shown}:{}: {word} in a pure crate", number + 1));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(name: &str, file: &str, text: &str) -> usize {
        check_file(name, Path::new(file), text).len()
    }

    #[test]
    fn long_files_are_faults() {
        assert_eq!(faults("weft-net", "src/a.rs", &"x\n".repeat(LONGEST)), 0);
        assert_eq!(faults("weft-net", "src/a.rs", &"x\n".repeat(LONGEST + 1)), 1);
    }

    #[test]
    fn names_that_say_nothing_are_faults() {
        assert_eq!(faults("weft-net", "src/util.rs", ""), 1);
        assert_eq!(faults("weft-net", "src/helpers/mod.rs", ""), 1);
        assert_eq!(faults("weft-net", "src/utility_rates.rs", ""), 0);
    }

    #[test]
    fn unsafe_code_has_one_home() {
        assert_eq!(faults("weft-net", "src/a.rs", "unsafe { x() }"), 0);
        assert_eq!(faults("weft-http", "src/a.rs", "unsafe { x() }"), 1);
        assert_eq!(faults("weft-http", "src/a.rs", "// unsafe { x() }"), 0);
    }

    #[test]
    fn pure_crates_read_no_clock_outside_of_tests() {
        let text = "let now = Instant::now();";
        assert_eq!(faults("weft-route", "src/a.rs", text), 1);
        assert_eq!(faults("weft-http", "src/a.rs", text), 0);
        assert_eq!(faults("weft-route", "src/a.rs", &format!("#[cfg(test)]\n{text}")), 0);
    }
}
