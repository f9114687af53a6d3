//! The table itself: every file is read, every bootstrap expands, and names are told apart.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::collections::BTreeSet;
use std::path::Path;
use weft_lab::bootstrap::expand;
use weft_lab::differences;
use weft_lab::table::load;

fn table() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("table")
}

#[test]
fn every_world_is_read_and_expands() {
    for world in load(&table(), "").unwrap() {
        let bootstrap = expand(&world.bootstrap).unwrap_or_else(|error| panic!("{}: {error:#}", world.name));
        let text = bootstrap.to_string();
        assert!(!text.contains("\"$"), "{}: a macro is left over: {text}", world.name);
        assert!(
            text.contains("{{log}}"),
            "{}: nothing writes the access log that rows are judged by",
            world.name
        );
    }
}

#[test]
fn rows_are_at_least_as_many_as_the_gate_asks_for() {
    let worlds = load(&table(), "").unwrap();
    assert!(worlds.iter().map(|world| world.rows.len()).sum::<usize>() >= 400);
    // An address stands for each row of a world in the access log.
    assert!(worlds.iter().all(|world| world.rows.len() < 250));
}

#[test]
fn every_backend_is_used_and_every_one_used_is_there() {
    for world in load(&table(), "").unwrap() {
        let text = expand(&world.bootstrap).unwrap().to_string();
        let named: BTreeSet<&str> =
            text.split("{{backend:").skip(1).filter_map(|rest| rest.split("}}").next()).collect();
        let known: BTreeSet<&str> = world.backends.keys().map(String::as_str).collect();
        assert_eq!(named, known, "{}", world.name);
    }
}

#[test]
fn differences_are_listed_and_each_is_held_by_a_test() {
    let page = table().join("../../../docs/differences.md");
    let listed = differences::ids(&page).unwrap();
    for world in load(&table(), "").unwrap() {
        for row in &world.rows {
            assert!(row.difference.iter().all(|id| listed.contains(id)), "{}: {}", world.name, row.name);
        }
    }
    let mut texts = String::new();
    read_all(&table().join("../.."), &mut texts);
    for section in std::fs::read_to_string(&page).unwrap().split("\n## ").skip(1) {
        let id = section.split_whitespace().next().unwrap_or_default();
        // A test names the entry, or the entry names the file of its test.
        let known = |word: &str| word.starts_with("crates/") || word.starts_with("tests/");
        let file = |word: &&str| known(word) && table().join("../../..").join(word).exists();
        assert!(texts.contains(id) || section.split('`').any(|word| file(&word)), "no test for {id}");
    }
}

/// Tests and tables of every crate.
fn read_all(dir: &Path, into: &mut String) {
    for entry in std::fs::read_dir(dir).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            read_all(&path, into);
        } else if path.extension().is_some_and(|ext| ext == "rs" || ext == "yaml" || ext == "txt") {
            into.push_str(&std::fs::read_to_string(&path).unwrap_or_default());
        }
    }
}
