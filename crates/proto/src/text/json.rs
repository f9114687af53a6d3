//! JSON text to the tree: what YAML's grammar would take a hundred times as long for.

use std::borrow::Cow;

use super::limits::Limits;
use super::node::Place;
use super::problem::Problem;
use super::tree::{self, Document, Tree};

/// Reads JSON.
///
/// # Errors
/// The text is not JSON, or exceeds a limit.
pub(crate) fn parse<'a>(text: &'a str, limits: &Limits) -> Result<Document<'a>, Problem> {
    tree::check_length(text, limits)?;
    let mut cursor = Cursor { text, at: 0, counted: 0, place: Place { line: 1, column: 1 } };
    let mut tree = Tree::new(limits);
    let mut document = Document::default();
    loop {
        cursor.skip_between();
        let Some(byte) = cursor.peek() else { break };
        let place = cursor.place();
        let finished = match byte {
            b'{' | b'[' => {
                cursor.at += 1;
                if byte == b'{' {
                    tree.begin_map(place, 0)?;
                } else {
                    tree.begin_list(place, 0)?;
                }
                None
            }
            b'}' | b']' => {
                cursor.at += 1;
                tree.end()?
            }
            b'"' => tree.scalar(cursor.string(place)?, false, 0, place)?,
            _ => tree.scalar(Cow::Borrowed(cursor.bare()), true, 0, place)?,
        };
        if finished.is_some() {
            document.root = finished;
        }
    }
    Ok(document)
}

/// A place in the text. [`super::check_json`] has found the text well formed: so brackets match, and what
/// stands between values is blank, a comma or a colon.
struct Cursor<'a> {
    text: &'a str,
    at: usize,
    /// How far `place` has come.
    counted: usize,
    place: Place,
}

impl<'a> Cursor<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_between(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r' | b',' | b':')) {
            self.at += 1;
        }
    }

    /// Line and column here.
    fn place(&mut self) -> Place {
        let passed = self.text.as_bytes().get(self.counted..self.at).unwrap_or_default();
        for byte in passed {
            match byte {
                b'\n' => self.place = Place { line: self.place.line.saturating_add(1), column: 1 },
                // The second and further bytes of a character.
                0x80..=0xbf => {}
                _ => self.place.column = self.place.column.saturating_add(1),
            }
        }
        self.counted = self.at;
        self.place
    }

    /// A number, `true`, `false` or `null`.
    fn bare(&mut self) -> &'a str {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let ends = |c: char| matches!(c, ',' | ']' | '}' | ' ' | '\t' | '\n' | '\r');
        // At least one character, so that there is an end to any text.
        let length = rest.find(ends).unwrap_or(rest.len()).max(rest.chars().next().map_or(1, char::len_utf8));
        self.at += length;
        rest.get(..length).unwrap_or_default()
    }

    /// A string, borrowed unless it holds escapes.
    fn string(&mut self, place: Place) -> Result<Cow<'a, str>, Problem> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let mut escaped = false;
        let mut length = 1;
        let bytes = rest.as_bytes();
        while let Some(byte) = bytes.get(length) {
            match byte {
                b'"' => break,
                b'\\' => {
                    escaped = true;
                    length += 2;
                }
                _ => length += 1,
            }
        }
        let whole = rest.get(..=length).unwrap_or(rest);
        self.at += whole.len();
        if escaped {
            // The one place where characters change: left to the library.
            return serde_json::from_str::<String>(whole)
                .map(Cow::Owned)
                .map_err(|error| tree::syntax(place, error.to_string()));
        }
        Ok(Cow::Borrowed(whole.get(1..length).unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value as Json;

    use super::super::scalar::Dialect;
    use super::*;

    fn read(text: &str) -> Json {
        parse(text, &Limits::default()).unwrap().root.unwrap().to_json(Dialect::Json)
    }

    fn values() -> impl Strategy<Value = Json> {
        let leaf = prop_oneof![
            Just(Json::Null),
            any::<bool>().prop_map(Json::from),
            any::<i64>().prop_map(Json::from),
            any::<String>().prop_map(Json::from),
            "[a-z\"\\\\\u{e9}\u{1f600}\n]{0,6}".prop_map(Json::from),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..6).prop_map(Json::from),
                proptest::collection::btree_map(any::<String>(), inner, 0..6)
                    .prop_map(|map| Json::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn reads_what_the_library_writes(value in values(), pretty: bool) {
            let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) };
            prop_assert_eq!(read(&text.unwrap()), value);
        }

        /// Only checked text comes here; other text must still do no harm.
        #[test]
        fn any_text_comes_to_an_end(text in "[\\[\\]{}:,\" a1\\\\u\u{e9}]{0,40}") {
            let _ = parse(&text, &Limits::default());
        }
    }

    #[test]
    fn places_are_counted_in_characters() {
        let document = parse("{\n \"\u{e9}\u{e9}\": \"x\",\n\t\"b\": [ 1 ]}", &Limits::default()).unwrap();
        let super::super::node::Content::Map(entries) = document.root.unwrap().content else { panic!() };
        let places: Vec<_> =
            entries.iter().map(|e| (e.place.line, e.place.column, e.value.place.column)).collect();
        assert_eq!(places, [(2, 2, 8), (3, 2, 7)]);
    }
}
