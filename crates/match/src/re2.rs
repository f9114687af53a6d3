//! Regular expressions in RE2's syntax and meaning, run by the `regex` crate.
//!
//! Both are linear in time. They differ in what some texts mean, and an authorization rule must not
//! mean one thing to Envoy and another here:
//!
//! - Envoy runs RE2 on bytes (Latin-1): `.` is one byte, `\d` `\w` `\s` `\b` and case are ASCII;
//! - `{` that starts no repetition stands for itself, and so do `[`, `&&`, `--` and `~~` in a class;
//! - `\Q…\E` quotes, `\C` is any byte, `\<` and `\>` are plain characters.

mod class;
mod escape;

/// Largest compiled program, bytes.
const MAX_PROGRAM: usize = 1 << 20;

/// Compiles `expression` so that it matches only whole strings.
///
/// # Errors
/// The expression is not valid, or its program exceeds 1 MiB.
pub fn full_match(expression: &str) -> Result<regex::bytes::Regex, regex::Error> {
    let whole = format!(r"\A(?:{})\z", translate(expression)?);
    regex::bytes::RegexBuilder::new(&whole).unicode(false).size_limit(MAX_PROGRAM).build()
}

/// Compiles `expression` for search and replacement in texts (`regex_rewrite` and its like).
///
/// # Errors
/// As for [`full_match`].
pub fn search(expression: &str) -> Result<regex::Regex, regex::Error> {
    regex::RegexBuilder::new(&translate(expression)?).size_limit(MAX_PROGRAM).build()
}

/// The same expression in the syntax of the `regex` crate.
///
/// # Errors
/// A group is closed that was not opened, a class or quotation has no end, or an escape means nothing
/// to RE2. What the `regex` crate refuses too is left to it.
pub fn translate(expression: &str) -> Result<String, regex::Error> {
    let mut out = String::with_capacity(expression.len() + 8);
    let mut depth = 0usize;
    let mut rest = expression;
    while let Some(character) = rest.chars().next() {
        rest = match character {
            '\\' => escape::outside(&rest[1..], &mut out)?,
            '[' => class::class(&rest[1..], &mut out)?,
            '{' if !is_repetition(rest) => {
                out.push_str(r"\{");
                &rest[1..]
            }
            _ => {
                match character {
                    '(' => depth += 1,
                    // It would close the group that makes the whole match.
                    ')' => depth = depth.checked_sub(1).ok_or_else(|| syntax("unopened group"))?,
                    _ => {}
                }
                out.push(character);
                &rest[character.len_utf8()..]
            }
        };
    }
    Ok(out)
}

/// Whether the text starts with `{n}`, `{n,}` or `{n,m}`.
fn is_repetition(text: &str) -> bool {
    let Some((inner, _)) = text[1..].split_once('}') else { return false };
    let (least, most) = inner.split_once(',').unwrap_or((inner, ""));
    let digits = |t: &str| t.bytes().all(|b| b.is_ascii_digit());
    !least.is_empty() && digits(least) && digits(most)
}

fn syntax(reason: &str) -> regex::Error {
    regex::Error::Syntax(reason.to_owned())
}

#[cfg(test)]
mod tests;
