//! Where in a message a finding lies.
//!
//! A path is a chain of borrowed steps on the stack of the walk, and becomes text only when something
//! is found, so that walking a good message allocates nothing for it.

use std::fmt;

/// One step of a path, linked to the steps above it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Path<'a> {
    parent: Option<&'a Path<'a>>,
    step: Step<'a>,
    depth: usize,
}

#[derive(Clone, Copy, Debug)]
enum Step<'a> {
    Root,
    Field(&'a str),
    Index(usize),
    Key(&'a str),
}

/// Longest map key that a path shows, in bytes.
const MAX_KEY_SHOWN: usize = 128;

impl<'a> Path<'a> {
    /// The message itself.
    pub(crate) const ROOT: Self = Path { parent: None, step: Step::Root, depth: 0 };

    /// A field of the message at this path.
    pub(crate) fn field(&'a self, name: &'a str) -> Path<'a> {
        self.with(Step::Field(name))
    }

    /// An element of the list at this path.
    pub(crate) fn index(&'a self, index: usize) -> Path<'a> {
        self.with(Step::Index(index))
    }

    /// A value of the map at this path.
    pub(crate) fn key(&'a self, key: &'a str) -> Path<'a> {
        self.with(Step::Key(key))
    }

    fn with(&'a self, step: Step<'a>) -> Path<'a> {
        Path { parent: Some(self), step, depth: self.depth + 1 }
    }
}

/// `static_resources.listeners[0].metadata.filter_metadata["envoy.lb"]`; the root is empty.
impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The chain hangs from its end, so it is turned round first; its length has a limit.
        let mut steps = Vec::with_capacity(self.depth + 1);
        let mut current = Some(self);
        while let Some(path) = current {
            steps.push(path.step);
            current = path.parent;
        }
        let mut first = true;
        for step in steps.iter().rev() {
            match step {
                Step::Root => continue,
                Step::Field(name) if first => f.write_str(name)?,
                Step::Field(name) => write!(f, ".{name}")?,
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Key(key) => write!(f, "[{:?}]", shorten(key))?,
            }
            first = false;
        }
        Ok(())
    }
}

/// The start of a text, cut at a character boundary.
pub(crate) fn shorten(text: &str) -> &str {
    text.get(..text.floor_char_boundary(MAX_KEY_SHOWN)).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_reads_like_the_field_path_of_envoy() {
        let root = Path::ROOT;
        let (a, b) = (root.field("listeners"), 3);
        let c = a.index(b);
        let d = c.field("filter_metadata");
        assert_eq!(d.key("envoy.lb").to_string(), r#"listeners[3].filter_metadata["envoy.lb"]"#);
        assert_eq!(root.to_string(), "");
    }
}
