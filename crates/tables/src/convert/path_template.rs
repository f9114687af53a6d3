//! URI templates (`/users/{id}/**`) as regular expressions.

/// Bytes of one segment: `pchar` of RFC 3986.
const SEGMENT: &str = r"[a-zA-Z0-9\-._~%!$&'()*+,;:@]+";
/// Bytes of any rest of a path.
const REST: &str = r"[a-zA-Z0-9\-._~%!$&'()*+,;:@/]*";
/// Most variables of one template, as in Envoy.
const MAX_VARIABLES: usize = 5;

/// A template as an expression: `*` is one segment, `**` any number of them (the last operator), `{name}` and
/// `{name=pattern}` are named groups. `None`: not a template.
pub(crate) fn expression(template: &str) -> Option<String> {
    let mut out = Expression::default();
    let mut rest = template;
    if !rest.starts_with('/') {
        return None;
    }
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('{') {
            let (variable, after) = after.split_once('}')?;
            let (name, pattern) = variable.split_once('=').unwrap_or((variable, "*"));
            out.open(name)?;
            out.segments(pattern)?;
            out.regex.push(')');
            rest = after;
        } else {
            let (literal, after) = rest.split_at(rest.find('{').unwrap_or(rest.len()));
            out.segments(literal)?;
            rest = after;
        }
    }
    Some(out.regex)
}

#[derive(Default)]
struct Expression {
    regex: String,
    names: Vec<String>,
    ended: bool,
}

impl Expression {
    fn open(&mut self, name: &str) -> Option<()> {
        let valid = name.starts_with(|c: char| c.is_ascii_alphabetic())
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if self.ended || !valid || self.names.len() == MAX_VARIABLES || self.names.iter().any(|n| n == name) {
            return None;
        }
        self.names.push(name.to_owned());
        self.regex.push_str(&format!("(?P<{name}>"));
        Some(())
    }

    fn segments(&mut self, text: &str) -> Option<()> {
        for (index, segment) in text.split('/').enumerate() {
            if index > 0 {
                self.regex.push('/');
            }
            match segment {
                "*" | "**" if self.ended => return None,
                "*" => self.regex.push_str(SEGMENT),
                "**" => {
                    self.ended = true;
                    self.regex.push_str(REST);
                }
                literal if literal.contains(['*', '{', '}', '?', '#']) => return None,
                literal => self.regex.push_str(&regex::escape(literal)),
            }
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_become_expressions() {
        let matches = |template: &str, path: &str| {
            let regex = weft_match::string::full_match(&expression(template).unwrap()).unwrap();
            regex.is_match(path.as_bytes())
        };
        assert!(matches("/a/{id}/b", "/a/17/b"));
        assert!(!matches("/a/{id}/b", "/a/1/7/b"));
        assert!(matches("/a/**", "/a/x/y/z"));
        assert!(matches("/{v=a/*}/c", "/a/x/c"));
        assert!(!matches("/a/*", "/a/"));
        assert!(matches("/a/**/z", "/a/x/y/z") && !matches("/a/**/z", "/a/x/y"));
        for bad in ["a", "/{", "/{a}/{a}", "/**/*", "/**/{a}", "/{a=**}/*", "/{1}", "/a*b"] {
            assert_eq!(expression(bad), None, "{bad}");
        }
    }
}
