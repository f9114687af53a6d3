//! The case of field names, as sent.

use weft_types::Headers;

use crate::Output;

/// How the names of one message are written: as the other side spelled them, in `Proper-Case`, or, as
/// is usual in Envoy, in lower case.
#[derive(Clone, Copy, Debug)]
pub(super) struct Names<'a> {
    headers: &'a Headers,
    proper: bool,
}

impl<'a> Names<'a> {
    pub(super) fn new(headers: &'a Headers, proper: bool) -> Self {
        Self { headers, proper }
    }

    /// Whether fields of the list are written as they stand in it. Where case is kept, a field that was set
    /// anew takes the spelling that was noted.
    pub(super) fn as_they_are(self) -> bool {
        !self.headers.keeps_case() && !self.proper
    }

    /// Writes a field.
    pub(super) fn field(self, output: &mut Output, name: &[u8], value: &[u8]) {
        if self.headers.keeps_case() {
            output.put(self.headers.spelled(name));
        } else if self.proper {
            output.put_changed(name, proper);
        } else {
            output.put_field(name, value);
            return;
        }
        output.put(b": ");
        output.put(value);
        output.put(b"\r\n");
    }
}

/// A capital at the start and after everything that is neither letter nor digit.
fn proper(name: &mut [u8]) {
    let mut begins = true;
    for byte in name {
        if begins {
            byte.make_ascii_uppercase();
        } else {
            byte.make_ascii_lowercase();
        }
        begins = !byte.is_ascii_alphanumeric();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(headers: &Headers, proper: bool, name: &str) -> String {
        let mut output = Output::new();
        Names::new(headers, proper).field(&mut output, name.as_bytes(), b"1");
        String::from_utf8_lossy(&output.take()).trim_end().to_owned()
    }

    #[test]
    fn names_are_lower_or_proper_or_kept() {
        let mut headers = Headers::new();
        assert_eq!(written(&headers, false, "X-REQUEST-Id"), "x-request-id: 1");
        assert_eq!(written(&headers, true, "x-reQuest-id_2a"), "X-Request-Id_2a: 1");
        headers.keep_case();
        headers.note_spelling(b"HOST");
        assert_eq!(written(&headers, true, "X-REQUEST-Id"), "X-REQUEST-Id: 1");
        assert_eq!(written(&headers, true, "host"), "HOST: 1");
    }
}
