//! Prometheus' text format, as far as proxies' pages use it: one sample a line.

use std::borrow::Cow;

/// A sample: `name{label="value",…} number`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sample<'a> {
    /// Name of the metric.
    pub(crate) name: &'a str,
    labels: Vec<(&'a str, Cow<'a, str>)>,
    /// The number.
    pub(crate) value: f64,
}

impl Sample<'_> {
    /// The value of a label, empty if it has none.
    #[must_use]
    pub(crate) fn label(&self, name: &str) -> &str {
        self.labels.iter().find(|(key, _)| *key == name).map_or("", |(_, value)| value)
    }
}

/// The samples whose names begin like this; comments and lines that are no samples are passed over.
pub(crate) fn samples<'a>(text: &'a str, prefix: &'a str) -> impl Iterator<Item = Sample<'a>> {
    text.lines().filter(move |line| line.starts_with(prefix)).filter_map(sample)
}

fn sample(line: &str) -> Option<Sample<'_>> {
    let end = line.find(|c: char| c == '{' || c.is_whitespace())?;
    let (name, mut rest) = line.split_at(end);
    let mut labels = Vec::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside.trim_start();
        while !rest.starts_with('}') {
            let (label, after) = rest.split_once("=\"")?;
            let (value, after) = quoted(after)?;
            labels.push((label.trim(), value));
            rest = after.trim_start().trim_start_matches(',').trim_start();
        }
        rest = &rest[1..];
    }
    // A time stamp may follow.
    let value = rest.split_whitespace().next()?.parse().ok()?;
    Some(Sample { name, labels, value })
}

/// Text up to the closing quote, its escapes resolved, and what follows it.
fn quoted(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let end = text.find(['"', '\\'])?;
    if text[end..].starts_with('"') {
        return Some((Cow::Borrowed(&text[..end]), &text[end + 1..]));
    }
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((Cow::Owned(value), &text[at + 1..])),
            '\\' => match characters.next()?.1 {
                'n' => value.push('\n'),
                other => value.push(other),
            },
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_read_with_their_labels() {
        let text = "# TYPE a counter\na{x=\"1\",y=\"q\\\"\\\\\\n}\"} 3\na_b 4.5 1700000000\nother 1\na{x=\"\"} +Inf\n";
        let all: Vec<_> = samples(text, "a").collect();
        assert_eq!(all.len(), 3);
        assert_eq!((all[0].label("x"), all[0].label("y"), all[0].value), ("1", "q\"\\\n}", 3.0));
        assert_eq!((all[1].name, all[1].value, all[1].label("x")), ("a_b", 4.5, ""));
        assert_eq!(all[2].value, f64::INFINITY);
    }

    #[test]
    fn broken_lines_are_passed_over() {
        for line in
            ["a", "a{", "a{x", "a{x=\"", "a{x=\"\\", "a{x=\"1\"", "a{x=\"1\"}", "a x", "a{}}", "a{=\"\"}"]
        {
            assert_eq!(samples(line, "a").count(), 0, "{line}");
        }
    }
}
