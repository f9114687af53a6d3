//! No field of the tables is there without anybody who reads it: configuration that is accepted and
//! then forgotten would be ignored in silence (design invariant 2).
//!
//! The search is by name: a field counts as read where `.name` stands outside of the conversion that
//! fills it, or the name in a pattern of a crate that reads tables. Two structs that share a field name
//! share the verdict, so names of table fields should be their own.

use super::sources::collect;
use anyhow::Result;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Where the tables are, and where they are filled.
const TABLES: &str = "crates/tables/src";
const FILLED: &str = "crates/tables/src/convert";
/// Crates that read them.
const READERS: [&str; 9] =
    ["balance", "filter", "http", "proxy", "route", "simulate", "state", "telemetry", "tls"];

/// Fields that nobody need read by name, and why.
const UNREAD: [(&str, &str, &str); 4] = [
    ("Locality", "region", "a locality is compared as a whole"),
    ("Locality", "zone", "a locality is compared as a whole"),
    ("Locality", "sub_zone", "a locality is compared as a whole"),
    ("Listener", "direction", "for explanations of what a listener is for"),
];

/// Checks every public field of every table.
pub(super) fn check() -> Result<Vec<String>> {
    let mut files = Vec::new();
    collect(Path::new(TABLES), &mut files)?;
    let tables: Vec<PathBuf> = files.iter().filter(|file| !file.starts_with(FILLED)).cloned().collect();
    let mut own = String::new();
    for file in &tables {
        own.push_str(&std::fs::read_to_string(file)?);
    }
    let mut code = String::new();
    let fields: Vec<(PathBuf, Field)> = tables
        .iter()
        .map(|file| Ok((file.clone(), std::fs::read_to_string(file)?)))
        .collect::<Result<Vec<_>>>()?
        .into_iter()
        .flat_map(|(file, text)| fields(&text).into_iter().map(move |field| (file.clone(), field)))
        .collect();
    for reader in READERS {
        let mut files = Vec::new();
        collect(&Path::new("crates").join(reader).join("src"), &mut files)?;
        for file in files.iter().filter(|file| !is_test(file)) {
            code.push_str(untested(&std::fs::read_to_string(file)?));
        }
    }
    let mut read = reads(&code, true);
    read.extend(reads(&own, false));
    Ok(fields
        .iter()
        .filter(|(_, field)| !read.contains(field.name.as_str()) && !field.may_be_unread())
        .map(|(file, field)| {
            format!(
                "{}: nobody reads {}::{}: implement it, or refuse or ignore it with a finding",
                file.display(),
                field.of,
                field.name
            )
        })
        .collect())
}

/// A public field.
#[derive(Debug, PartialEq, Eq)]
struct Field {
    of: String,
    name: String,
}

impl Field {
    fn may_be_unread(&self) -> bool {
        UNREAD.iter().any(|(of, name, _)| *of == self.of && *name == self.name)
    }
}

/// The public fields that a file declares.
fn fields(text: &str) -> Vec<Field> {
    let mut of = String::new();
    let mut fields = Vec::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("pub struct ") {
            of = name.split(|c: char| !is_word(c)).next().unwrap_or_default().to_owned();
        }
        if let Some((name, _)) = line.strip_prefix("    pub ").and_then(|rest| rest.split_once(": "))
            && name.chars().all(is_word)
        {
            fields.push(Field { of: of.clone(), name: name.to_owned() });
        }
    }
    fields
}

/// The words that are read as fields: those after a dot, and, with `patterns`, those that stand as in
/// a pattern (`{ name, .. }`, `name: pattern`).
fn reads(code: &str, patterns: bool) -> BTreeSet<&str> {
    let mut words = BTreeSet::new();
    for line in code.lines() {
        let line = line.split("//").next().unwrap_or_default();
        if line.trim_start().starts_with("pub ") {
            continue;
        }
        let mut rest = line;
        while let Some(start) = rest.find(|c: char| is_word(c)) {
            let before = rest[..start].chars().last();
            let word = &rest[start..];
            let end = word.find(|c: char| !is_word(c)).unwrap_or(word.len());
            let (word, after) = word.split_at(end);
            let field = before == Some('.') && !after.starts_with('(');
            let pattern = [",", " }", ": ", " |"].iter().any(|mark| after.starts_with(mark))
                || (after.is_empty() && before != Some('.'));
            if field || (patterns && pattern) {
                words.insert(word);
            }
            rest = after;
        }
    }
    words
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

fn is_test(file: &Path) -> bool {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    stem == "tests"
        || stem == "testing"
        || stem.ends_with("_tests")
        || file.iter().any(|part| part == "tests")
}

/// A file without its tests, which by custom are its end.
fn untested(text: &str) -> &str {
    text.split("#[cfg(test)]").next().unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_fields_are_found_with_their_struct() {
        let text = "/// A.\npub struct A<'a> {\n    /// B.\n    pub b: u8,\n    c: u8,\n}\nimpl A {\n    pub fn d(x: u8) {}\n}";
        assert_eq!(fields(text), [Field { of: "A".to_owned(), name: "b".to_owned() }]);
    }

    #[test]
    fn fields_are_read_after_a_dot_and_in_patterns() {
        let code = "let x = a.one.two;\nlet T { three, four: y } = t;\ncall(five());\n// six.seven\n    pub eight: u8,\n  nine,";
        let read = reads(code, true);
        for word in ["one", "two", "three", "four", "nine"] {
            assert!(read.contains(word), "{word}");
        }
        for word in ["five", "six", "seven", "eight"] {
            assert!(!read.contains(word), "{word}");
        }
        assert_eq!(reads(code, false).into_iter().collect::<Vec<_>>(), ["one", "two"]);
    }

    #[test]
    fn methods_are_no_fields() {
        assert!(!reads("x.keepalive();", true).contains("keepalive"));
    }
}
