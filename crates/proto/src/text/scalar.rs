//! What an unquoted scalar is, and which values a field takes from it.
//!
//! The rules are those that Envoy 1.40 was seen to have, which are not YAML's: `yes` and `on` are
//! bools, `010` is 8, and a number with a point is text (a number field reads it all the same).

use super::problem::ProblemKind;
use crate::path::shorten;

/// How unquoted scalars are understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// As Envoy reads a YAML file.
    Yaml,
    /// As JSON says.
    Json,
}

/// A scalar after resolution.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Scalar<'a> {
    Null,
    Bool(bool),
    Int(i64),
    /// A JSON number with a point, an exponent, or more digits than `Int` holds.
    Number(&'a str),
    Text(&'a str),
}

/// Integers beyond this are text to Envoy's YAML reading: a JSON number could not hold them.
const MAX_SAFE_INTEGER: u64 = 1 << 53;

impl<'a> Scalar<'a> {
    pub(crate) fn resolve(text: &'a str, plain: bool, dialect: Dialect) -> Self {
        if !plain {
            return Self::Text(text);
        }
        match dialect {
            Dialect::Yaml => Self::resolve_yaml(text),
            Dialect::Json => Self::resolve_json(text),
        }
    }

    fn resolve_yaml(text: &'a str) -> Self {
        if matches!(text, "" | "~" | "null" | "Null" | "NULL") {
            return Self::Null;
        }
        if let Some(value) = yaml_bool(text) {
            return Self::Bool(value);
        }
        yaml_integer(text)
            .filter(|value| value.unsigned_abs() <= MAX_SAFE_INTEGER)
            .map_or(Self::Text(text), Self::Int)
    }

    fn resolve_json(text: &'a str) -> Self {
        match text {
            "null" => Self::Null,
            "true" => Self::Bool(true),
            "false" => Self::Bool(false),
            _ => text.parse().map_or(Self::Number(text), Self::Int),
        }
    }
}

/// yes/no, y/n, true/false, on/off: in lower case, upper case, or with one capital.
fn yaml_bool(text: &str) -> Option<bool> {
    let mut letters = text.chars();
    letters.next()?;
    let rest = letters.as_str();
    let evenly = text.chars().all(char::is_uppercase) || rest.chars().all(char::is_lowercase);
    let value = ["y", "yes", "true", "on"].iter().any(|known| text.eq_ignore_ascii_case(known));
    let known = value || ["n", "no", "false", "off"].iter().any(|known| text.eq_ignore_ascii_case(known));
    (known && evenly).then_some(value)
}

/// A decimal, 0x hexadecimal or 0 octal integer with an optional sign.
fn yaml_integer(text: &str) -> Option<i64> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, text.get(1..)?),
        b'+' => (false, text.get(1..)?),
        _ => (false, text),
    };
    // `from_str_radix` would take a second sign.
    if !digits.starts_with(|first: char| first.is_ascii_digit()) {
        return None;
    }
    let magnitude = if let Some(hex) = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        i64::from_str_radix(hex, 16).ok().filter(|_| !hex.starts_with(['+', '-']))?
    } else if digits.len() > 1 && digits.starts_with('0') {
        i64::from_str_radix(digits, 8).ok()?
    } else {
        digits.parse().ok()?
    };
    Some(if negative { -magnitude } else { magnitude })
}

/// The value of an integer field that holds `min..=max`.
pub(crate) fn integer(
    scalar: Scalar<'_>,
    min: i128,
    max: i128,
    expected: &'static str,
) -> Result<i128, ProblemKind> {
    let value = match scalar {
        Scalar::Int(value) => Some(i128::from(value)),
        Scalar::Number(text) | Scalar::Text(text) => decimal(text),
        Scalar::Null | Scalar::Bool(_) => return Err(wrong(expected, scalar)),
    };
    let value = value.ok_or_else(|| wrong(expected, scalar))?;
    if (min..=max).contains(&value) { Ok(value) } else { Err(invalid(expected, scalar)) }
}

/// A decimal integer, or a number whose fraction is zero (`15.0`, `1e3`).
fn decimal(text: &str) -> Option<i128> {
    if let Ok(value) = text.parse() {
        return Some(value);
    }
    let value = finite(text)?;
    // Beyond 2^64 no field has room, so the cast is exact where it matters.
    (value.fract() == 0.0).then_some(value as i128)
}

fn finite(text: &str) -> Option<f64> {
    // Rust also reads "inf" and "nan".
    let numeric = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'));
    text.parse().ok().filter(|value: &f64| numeric && value.is_finite())
}

/// The value of a floating point field.
pub(crate) fn float(scalar: Scalar<'_>, expected: &'static str) -> Result<f64, ProblemKind> {
    match scalar {
        Scalar::Int(value) => Ok(value as f64),
        Scalar::Text("NaN") => Ok(f64::NAN),
        Scalar::Text("Infinity") => Ok(f64::INFINITY),
        Scalar::Text("-Infinity") => Ok(f64::NEG_INFINITY),
        Scalar::Number(text) => finite(text).ok_or_else(|| invalid(expected, scalar)),
        Scalar::Text(text) => finite(text).ok_or_else(|| wrong(expected, scalar)),
        Scalar::Null | Scalar::Bool(_) => Err(wrong(expected, scalar)),
    }
}

/// The value of a bool field; quoted words count too.
pub(crate) fn boolean(scalar: Scalar<'_>) -> Result<bool, ProblemKind> {
    let is_one_of = |text: &str, words: [&str; 5]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
    match scalar {
        Scalar::Bool(value) => Ok(value),
        Scalar::Text(text) if is_one_of(text, ["true", "t", "yes", "y", "1"]) => Ok(true),
        Scalar::Text(text) if is_one_of(text, ["false", "f", "no", "n", "0"]) => Ok(false),
        _ => Err(wrong("bool", scalar)),
    }
}

/// The value of a string field.
pub(crate) fn text<'a>(scalar: Scalar<'a>, expected: &'static str) -> Result<&'a str, ProblemKind> {
    match scalar {
        Scalar::Text(text) => Ok(text),
        _ => Err(wrong(expected, scalar)),
    }
}

pub(crate) fn wrong(expected: &'static str, scalar: Scalar<'_>) -> ProblemKind {
    ProblemKind::WrongType { expected, found: describe(scalar) }
}

pub(crate) fn invalid(expected: &'static str, scalar: Scalar<'_>) -> ProblemKind {
    ProblemKind::InvalidValue { expected, found: describe(scalar) }
}

/// What a scalar is, in words for a message, shortened.
pub(crate) fn describe(scalar: Scalar<'_>) -> String {
    match scalar {
        Scalar::Null => "null".to_owned(),
        Scalar::Bool(value) => format!("bool {value} (quote it if text is meant)"),
        Scalar::Int(value) => format!("number {value} (quote it if text is meant)"),
        Scalar::Number(text) => format!("number {}", shorten(text)),
        Scalar::Text(text) => format!("{:?}", shorten(text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn yaml(text: &str) -> Scalar<'_> {
        Scalar::resolve(text, true, Dialect::Yaml)
    }

    /// As printed by Envoy 1.40 for `node.metadata` of a YAML bootstrap.
    #[test]
    fn plain_yaml_is_what_envoy_sees() {
        for text in ["", "~", "null", "Null", "NULL"] {
            assert_eq!(yaml(text), Scalar::Null, "{text}");
        }
        for text in ["y", "Y", "yes", "Yes", "YES", "on", "On", "true", "TRUE"] {
            assert_eq!(yaml(text), Scalar::Bool(true), "{text}");
        }
        for text in ["n", "no", "off", "Off", "False"] {
            assert_eq!(yaml(text), Scalar::Bool(false), "{text}");
        }
        for (text, value) in
            [("1", 1), ("-5", -5), ("+5", 5), ("010", 8), ("0x10", 16), ("0X1F", 31), ("0", 0)]
        {
            assert_eq!(yaml(text), Scalar::Int(value), "{text}");
        }
        for text in
            ["tRue", "09", "1.50", "1e3", "18446744073709551615", "9007199254740993", ".inf", "--1", "0x"]
        {
            assert_eq!(yaml(text), Scalar::Text(text), "{text}");
        }
        assert_eq!(Scalar::resolve("1", false, Dialect::Yaml), Scalar::Text("1"));
    }

    #[test]
    fn integers_are_read_from_all_their_forms() {
        let u32_of = |text| integer(yaml(text), 0, i128::from(u32::MAX), "uint32").ok();
        for (text, value) in
            [("15", 15), ("15.0", 15), ("1e3", 1000), ("09", 9), ("-0", 0), ("4294967295", u32::MAX)]
        {
            assert_eq!(u32_of(text), Some(i128::from(value)), "{text}");
        }
        for text in ["-1", "4294967296", "1.5", "1_000", "0o10", "true", "", "inf", "1e400", "1e39"] {
            assert_eq!(u32_of(text), None, "{text}");
        }
        assert_eq!(u32_of("99999999999999999999999999999999999999999999999999"), None);
    }

    #[test]
    fn bools_are_read_from_quoted_words_but_not_from_numbers() {
        assert_eq!(boolean(Scalar::Text("Yes")), Ok(true));
        assert_eq!(boolean(Scalar::Text("0")), Ok(false));
        assert!(boolean(Scalar::Int(1)).is_err());
        assert!(boolean(Scalar::Text(" true")).is_err());
    }
}
