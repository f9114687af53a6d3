//! One text → its documents.
//!
//! A line that begins with `---` and a blank ends a document wherever it stands, also within a block
//! scalar (YAML 1.2, 9.1.2), so documents are told apart without parsing them, and a syntax error
//! cannot reach beyond its own.

/// A document within a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part<'a> {
    pub(super) text: &'a str,
    /// Line of the text on which the document begins, from 1.
    pub(super) line: u32,
}

/// The documents that hold more than comments and directives, in order.
pub(super) fn documents(text: &str) -> impl Iterator<Item = Part<'_>> {
    let mut rest = text;
    let mut line = 1u32;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let first = line;
        let mut length = 0;
        for row in rest.split_inclusive('\n') {
            // The first row may be the marker that ended the document before.
            if length > 0 && is_marker(row) {
                break;
            }
            length += row.len();
            line = line.saturating_add(1);
        }
        let (part, after) = rest.split_at(length);
        rest = after;
        Some(Part { text: part, line: first })
    })
    .filter(|part| part.text.lines().any(has_content))
}

fn is_marker(row: &str) -> bool {
    row.strip_prefix("---")
        .is_some_and(|after| after.is_empty() || after.starts_with([' ', '\t', '\r', '\n']))
}

/// Whether a row may hold a value, or begin what is not YAML.
fn has_content(row: &str) -> bool {
    let row = if is_marker(row) { &row[3..] } else { row };
    let trimmed = row.trim();
    !trimmed.is_empty() && !trimmed.starts_with('#') && !row.starts_with('%') && trimmed != "..."
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &str) -> Vec<(u32, &str)> {
        documents(text).map(|part| (part.line, part.text)).collect()
    }

    #[test]
    fn markers_split_and_keep_line_numbers() {
        assert_eq!(split("a: 1\n---\nb: 2\n"), [(1, "a: 1\n"), (2, "---\nb: 2\n")]);
        assert_eq!(split("# only\n---\n--- # and\n---\nb: 2"), [(4, "---\nb: 2")]);
        assert_eq!(split("a: 1\r\n---\r\nb: 2\r\n").len(), 2);
        assert_eq!(split("--- {a: 1}\n--- {b: 2}\n").len(), 2);
        assert_eq!(split("%YAML 1.2\n---\na: 1\n"), [(2, "---\na: 1\n")]);
        assert_eq!(split("").len(), 0);
    }

    #[test]
    fn what_only_looks_like_a_marker_does_not_split() {
        assert_eq!(split("a: |\n  ---\n  x\n").len(), 1);
        assert_eq!(split("---a: 1\n----\n").len(), 1);
        assert_eq!(split("a: ---\n").len(), 1);
    }
}
