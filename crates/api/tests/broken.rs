//! Broken input: each file of `fixtures/broken` says, on the very line, what is found there.
//!
//! `#! CODE path` at the end of a line is an error, `#? CODE path` a warning; `~` stands for the object as
//! a whole. Nothing else may be found, and only objects without errors are accepted.

use std::path::Path;

use weft_api::{Severity, decode};

/// What a line says is found there: line, `!` or `?`, code, path.
type Mark = (u32, char, String, String);

fn expected(text: &str) -> Vec<Mark> {
    let mut marks = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        for mark in line.split('#').skip(1).filter(|comment| comment.starts_with(['!', '?'])) {
            let (code, path) = mark[1..].trim().split_once(' ').expect("a mark has code and path");
            let path = path.replace('~', "");
            marks.push((number, mark.chars().next().expect("a mark begins"), format!("WEFT{code}"), path));
        }
    }
    marks.sort();
    marks
}

fn found(text: &str, file: &str) -> Vec<Mark> {
    let mut found: Vec<Mark> = decode(text, file)
        .into_iter()
        .inspect(|decoded| {
            let broken = decoded.diagnostics.iter().any(weft_api::Diagnostic::is_error);
            assert!(!broken || decoded.object.is_none(), "{file}:{} is accepted", decoded.line);
        })
        .flat_map(|decoded| decoded.diagnostics)
        .map(|diagnostic| {
            assert_eq!(&*diagnostic.file, file);
            let mark = if diagnostic.severity == Severity::Error { '!' } else { '?' };
            (diagnostic.line, mark, diagnostic.code.to_string(), diagnostic.path)
        })
        .collect();
    found.sort();
    found
}

#[test]
fn each_fault_is_found_where_it_is() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/broken");
    let mut faults = 0;
    let mut different = String::new();
    for entry in std::fs::read_dir(folder).expect("the fixtures are there") {
        let path = entry.expect("the entry can be read").path();
        let text = std::fs::read_to_string(&path).expect("the fixture can be read");
        let name = path.file_name().expect("a file has a name").to_string_lossy().into_owned();
        let (expected, found) = (expected(&text), found(&text, &name));
        faults += expected.len();
        for mark in expected.iter().filter(|mark| !found.contains(mark)) {
            different += &format!("{name}: expected, not found: {mark:?}\n");
        }
        for mark in found.iter().filter(|mark| !expected.contains(mark)) {
            different += &format!("{name}: found, not expected: {mark:?}\n");
        }
    }
    assert!(different.is_empty(), "{different}");
    assert!(faults > 150, "{faults} faults");
}
