//! Lines of a head: where the head ends, and what its lines are.
//!
//! A line ends with LF; one CR before it belongs to the end. A lone LF is taken, as Envoy does and
//! RFC 9112 section 2.2 permits; a CR elsewhere is refused by whoever reads the line.

use memchr::memchr;

/// Where a block of lines ends that begins with a line which is not empty: the number of bytes up to
/// and with the empty line. `None` while it is not there yet; `scanned` remembers how far the search
/// has come, so that a head which comes in drops is not searched again and again.
pub(super) fn head_end(input: &[u8], scanned: &mut usize) -> Option<usize> {
    loop {
        let rest = input.get(*scanned..)?;
        let Some(feed) = memchr(b'\n', rest).map(|feed| *scanned + feed) else {
            // One CR may yet be an empty line in front.
            *scanned = if input == b"\r" { 0 } else { input.len() };
            return None;
        };
        match input.get(feed + 1..) {
            Some([b'\n', ..]) => return Some(feed + 2),
            Some([b'\r', b'\n', ..]) => return Some(feed + 3),
            // The next bytes decide: look at this line end again.
            Some([] | [b'\r']) | None => {
                *scanned = feed;
                return None;
            }
            Some(_) => *scanned = feed + 1,
        }
    }
}

/// As [`head_end`] for a block that may be empty (trailers).
pub(super) fn block_end(input: &[u8], scanned: &mut usize) -> Option<usize> {
    match input {
        [b'\n', ..] => Some(1),
        [b'\r', b'\n', ..] => Some(2),
        [] | [b'\r'] => None,
        _ => head_end(input, scanned),
    }
}

/// The number of bytes of empty lines at the start, which a server skips before a request
/// (RFC 9112 section 2.2).
pub(super) fn empty_lines(input: &[u8]) -> usize {
    let mut rest = input;
    while let [b'\n', tail @ ..] | [b'\r', b'\n', tail @ ..] = rest {
        rest = tail;
    }
    input.len() - rest.len()
}

/// The lines of a complete block, the empty one at the end included.
pub(super) struct Lines<'a> {
    rest: &'a [u8],
}

impl<'a> Lines<'a> {
    pub(super) fn new(block: &'a [u8]) -> Self {
        Self { rest: block }
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = Line<'a>;

    fn next(&mut self) -> Option<Line<'a>> {
        let (whole, rest) = self.rest.split_at_checked(memchr(b'\n', self.rest)? + 1)?;
        self.rest = rest;
        Some(Line { whole })
    }
}

/// A line with its end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line<'a> {
    /// As it came.
    pub(super) whole: &'a [u8],
}

impl<'a> Line<'a> {
    /// Without its end.
    pub(super) fn text(self) -> &'a [u8] {
        match self.whole {
            [text @ .., b'\r', b'\n'] | [text @ .., b'\n'] | text => text,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_end_at_any_split() {
        for (text, end) in [
            ("a\r\n\r\nrest", 5),
            ("a\n\nrest", 3),
            ("a\r\n\nrest", 4),
            ("a\r\nb: \r\r\n\r\n", 11),
            ("a\n\r\n", 4),
        ] {
            for split in 0..text.len() {
                let mut scanned = 0;
                let first = head_end(&text.as_bytes()[..split], &mut scanned);
                assert_eq!(first, (split >= end).then_some(end), "{text:?} at {split}");
                assert_eq!(head_end(text.as_bytes(), &mut scanned), Some(end), "{text:?} after {split}");
            }
        }
    }

    #[test]
    fn lines_keep_a_second_carriage_return() {
        let lines: Vec<_> = Lines::new(b"a\r\nb\r\r\n\n").map(Line::text).collect();
        assert_eq!(lines, [&b"a"[..], b"b\r", b""]);
    }
}
