//! What follows a backslash.

use super::syntax;

const DIGIT: &str = "0-9";
const WORD: &str = "0-9A-Za-z_";
const SPACE: &str = r"\t\n\f\r ";

/// Translates an escape outside of classes; `text` starts behind the backslash. Returns the rest.
pub(super) fn outside<'e>(text: &'e str, out: &mut String) -> Result<&'e str, regex::Error> {
    match text.as_bytes().first() {
        Some(b'Q') => {
            let (quoted, rest) = text[1..].split_once(r"\E").unwrap_or((&text[1..], ""));
            out.push_str(&regex::escape(quoted));
            Ok(rest)
        }
        Some(b'b') => {
            out.push_str(r"(?-u:\b)");
            Ok(&text[1..])
        }
        Some(b'C') => {
            out.push_str("(?s-u:.)");
            Ok(&text[1..])
        }
        Some(b'A' | b'z' | b'B') => {
            out.push('\\');
            out.push_str(&text[..1]);
            Ok(&text[1..])
        }
        _ => {
            let (item, rest) = item(text)?;
            out.push_str(item.text());
            Ok(rest)
        }
    }
}

/// What an escape stands for, in the syntax of the `regex` crate.
pub(super) enum Item {
    /// One character.
    Character(String),
    /// A set of characters.
    Set(String),
}

impl Item {
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Character(text) | Self::Set(text) => text,
        }
    }
}

/// An escape that may stand inside of a class and outside; `text` starts behind the backslash.
pub(super) fn item(text: &str) -> Result<(Item, &str), regex::Error> {
    let first = text.chars().next().ok_or_else(|| syntax("trailing backslash"))?;
    let rest = &text[first.len_utf8()..];
    let set = |negated: &str, members: &str| Item::Set(format!("[{negated}{members}]"));
    Ok(match first {
        'd' => (set("", DIGIT), rest),
        'D' => (set("^", DIGIT), rest),
        'w' => (set("", WORD), rest),
        'W' => (set("^", WORD), rest),
        's' => (set("", SPACE), rest),
        'S' => (set("^", SPACE), rest),
        'a' | 'f' | 'n' | 'r' | 't' | 'v' => (Item::Character(format!("\\{first}")), rest),
        'x' | 'p' | 'P' => {
            let (operand, rest) = operand(first, rest)?;
            let text = format!("\\{first}{operand}");
            (if first == 'x' { Item::Character(text) } else { Item::Set(text) }, rest)
        }
        '0'..='7' => octal(text)?,
        _ if first.is_ascii_alphanumeric() => {
            return Err(syntax(&format!("RE2 has no escape \\{first}")));
        }
        _ => (Item::Character(literal(first)), rest),
    })
}

/// What belongs to `\x`, `\p` and `\P`: text in braces, or two hexadecimal digits, or one letter.
fn operand(escape: char, text: &str) -> Result<(&str, &str), regex::Error> {
    let length = if text.starts_with('{') {
        text.find('}').map(|end| end + 1)
    } else {
        Some(if escape == 'x' { 2 } else { 1 })
    };
    length
        .and_then(|length| text.split_at_checked(length))
        .ok_or_else(|| syntax(&format!("\\{escape} has no operand")))
}

/// Up to three octal digits. A single one other than 0 would be a back-reference.
fn octal(text: &str) -> Result<(Item, &str), regex::Error> {
    let digits = text.bytes().take(3).take_while(|b| (b'0'..=b'7').contains(b)).count();
    if digits == 1 && !text.starts_with('0') {
        return Err(syntax("back-references cannot run in linear time"));
    }
    let (digits, rest) = text.split_at(digits);
    let code = u32::from_str_radix(digits, 8).map_err(|_| syntax("octal escape"))?;
    Ok((Item::Character(format!("\\x{{{code:x}}}")), rest))
}

/// A character that stands for itself, inside of a class and outside.
pub(super) fn literal(character: char) -> String {
    match character {
        '[' | ']' | '^' | '-' | '&' | '~' => format!("\\{character}"),
        other => regex::escape(other.encode_utf8(&mut [0; 4])),
    }
}
