//! Character classes.

use super::escape::{Item, item, literal};
use super::syntax;

/// Translates a class; `text` starts behind the opening bracket. Returns the rest.
pub(super) fn class<'e>(text: &'e str, out: &mut String) -> Result<&'e str, regex::Error> {
    out.push('[');
    let mut rest = text;
    if let Some(after) = rest.strip_prefix('^') {
        out.push('^');
        rest = after;
    }
    // A bracket that closes nothing yet stands for itself.
    let mut first = true;
    loop {
        if let Some(after) = rest.strip_prefix(']').filter(|_| !first) {
            out.push(']');
            return Ok(after);
        }
        first = false;
        if let Some(named) = named_class(rest) {
            out.push_str(named);
            rest = &rest[named.len()..];
            continue;
        }
        let (low, after) = member(rest)?;
        out.push_str(low.text());
        rest = after;
        let Item::Character(_) = low else { continue };
        if let Some(after) = rest.strip_prefix('-').filter(|after| !after.starts_with(']')) {
            let (Item::Character(high), after) = member(after)? else {
                return Err(syntax("a range needs characters on both ends"));
            };
            out.push('-');
            out.push_str(&high);
            rest = after;
        }
    }
}

/// `[:alpha:]` and its like.
fn named_class(text: &str) -> Option<&str> {
    let inner = text.strip_prefix("[:")?;
    let end = inner.find(":]")?;
    let name = &inner[..end];
    name.trim_start_matches('^').bytes().all(|b| b.is_ascii_lowercase()).then(|| &text[..end + 4])
}

fn member(text: &str) -> Result<(Item, &str), regex::Error> {
    match text.chars().next() {
        None => Err(syntax("a class has no end")),
        Some('\\') => item(&text[1..]),
        Some(character) => Ok((Item::Character(literal(character)), &text[character.len_utf8()..])),
    }
}
