//! The path's canonical form (RFC 3986 section 6.2.2, as browsers and Envoy do it).

/// Resolves `.` and `..` (and, as Envoy does, `.;x` and `..;x`), turns backslashes into slashes,
/// decodes escapes of unreserved characters and encodes characters that must not stand in a path. The
/// path must start with `/` and have no query.
///
/// `None`: the path holds an escaped NUL, or dots with parameters that only show once they are decoded
/// (`/%2e%2e;/`): Envoy passes these on as `/..;/`, which servers that know path parameters climb up by.
#[must_use]
pub fn normalize(path: &str) -> Option<String> {
    let plain = without_dot_parameters(path);
    let slashed = plain.replace('\\', "/");
    let mut segments: Vec<String> = Vec::new();
    let mut pieces = slashed.strip_prefix('/')?.split('/').peekable();
    while let Some(piece) = pieces.next() {
        let segment = normalize_segment(piece)?;
        let last = pieces.peek().is_none();
        match segment.as_str() {
            "." | ".." => {
                if segment == ".." {
                    segments.pop();
                }
                if last {
                    segments.push(String::new());
                }
            }
            _ if has_dot_parameters(&segment) => return None,
            _ => segments.push(segment),
        }
    }
    Some(format!("/{}", segments.join("/")))
}

fn has_dot_parameters(segment: &str) -> bool {
    segment.starts_with(".;") || segment.starts_with("..;")
}

fn without_dot_parameters(path: &str) -> String {
    let bare = |segment: &str| {
        let end = if has_dot_parameters(segment) { segment.find(';') } else { None };
        segment.get(..end.unwrap_or(segment.len())).unwrap_or_default().to_owned()
    };
    path.split('/').map(bare).collect::<Vec<_>>().join("/")
}

fn normalize_segment(segment: &str) -> Option<String> {
    let bytes = segment.as_bytes();
    let mut out = String::with_capacity(bytes.len());
    // Percent signs that start no escape.
    let mut bare = Vec::new();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match escape(bytes, at) {
            Some(0) => return None,
            Some(decoded) if decoded.is_ascii_alphanumeric() || b"-._~".contains(&decoded) => {
                out.push(char::from(decoded));
                at += 3;
            }
            Some(_) => {
                out.push_str(&segment[at..at + 3]);
                at += 3;
            }
            None => {
                if byte == b'%' {
                    bare.push(out.len());
                }
                if byte <= b' ' || byte >= 0x7f || b"\"<>`{}^|".contains(&byte) {
                    out.push_str(&format!("%{byte:02X}"));
                } else {
                    out.push(char::from(byte));
                }
                at += 1;
            }
        }
    }
    // What was decoded behind a percent sign must not become an escape with it.
    for at in bare.into_iter().rev() {
        if escape(out.as_bytes(), at).is_some() {
            out.insert_str(at + 1, "25");
        }
    }
    Some(out)
}

/// The value of the escape at `at`, if one is there.
fn escape(bytes: &[u8], at: usize) -> Option<u8> {
    let &[b'%', high, low] = bytes.get(at..at + 3)? else { return None };
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|d| u8::try_from(d).ok());
    Some(digit(high)? * 16 + digit(low)?)
}

/// Decodes `%2F` and `%5C`.
pub(super) fn unescape_slashes(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    let mut rest = path;
    while let Some(at) = rest.find('%') {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let (decoded, length) = match escape(from.as_bytes(), 0) {
            Some(b'/') => ('/', 3),
            Some(b'\\') => ('\\', 3),
            _ => ('%', 1),
        };
        out.push(decoded);
        rest = &from[length..];
    }
    out.push_str(rest);
    out
}

/// Leaves one slash of each run.
pub(super) fn merge_slashes(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for character in path.chars() {
        if !(character == '/' && out.ends_with('/')) {
            out.push(character);
        }
    }
    out
}

#[cfg(test)]
mod tests;
