//! What a scalar without quotes is, as Kubernetes' tools read YAML (1.1): `on` is a bool, `010` is 8.

/// A scalar after resolution.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Scalar<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(&'a str),
}

impl<'a> Scalar<'a> {
    pub(crate) fn resolve(text: &'a str, plain: bool) -> Self {
        if !plain {
            return Self::Text(text);
        }
        match text {
            "" | "~" | "null" | "Null" | "NULL" => Self::Null,
            "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
                Self::Bool(true)
            }
            "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
                Self::Bool(false)
            }
            _ => number(text).unwrap_or(Self::Text(text)),
        }
    }

    /// What it is, in words for a message, shortened.
    pub(crate) fn describe(self) -> String {
        match self {
            Self::Null => "null".to_owned(),
            Self::Bool(value) => format!("the bool {value}"),
            Self::Int(value) => format!("the number {value}"),
            Self::Float(value) => format!("the number {value}"),
            Self::Text(text) => format!("the text {:?}", shorten(text)),
        }
    }
}

/// At most so much of a text that a line stays readable.
pub(crate) fn shorten(text: &str) -> String {
    const LONGEST: usize = 60;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

fn number(text: &str) -> Option<Scalar<'static>> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let first = *unsigned.as_bytes().first()?;
    if !first.is_ascii_digit() && first != b'.' {
        return None;
    }
    let negative = text.starts_with('-');
    let radix = |digits: &str, radix| {
        let digits = digits.replace('_', "");
        if !digits.bytes().next()?.is_ascii_alphanumeric() {
            return None;
        }
        let value = i64::from_str_radix(&digits, radix).ok()?;
        Some(Scalar::Int(if negative { -value } else { value }))
    };
    if let Some(digits) = unsigned.strip_prefix("0x") {
        return radix(digits, 16);
    }
    if let Some(digits) = unsigned.strip_prefix("0b") {
        return radix(digits, 2);
    }
    if let Some(digits) = unsigned.strip_prefix("0o") {
        return radix(digits, 8);
    }
    if unsigned.len() > 1
        && unsigned.starts_with('0')
        && let Some(octal) = radix(&unsigned[1..], 8)
    {
        return Some(octal);
    }
    if let Some(value) = radix(unsigned, 10) {
        return Some(value);
    }
    let shaped = unsigned.bytes().all(|b| matches!(b, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-'));
    let value: f64 = text.parse().ok().filter(|_| shaped)?;
    value.is_finite().then_some(Scalar::Float(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_scalars_are_what_kubernetes_makes_of_them() {
        for (text, scalar) in [
            ("", Scalar::Null),
            ("~", Scalar::Null),
            ("on", Scalar::Bool(true)),
            ("No", Scalar::Bool(false)),
            ("15", Scalar::Int(15)),
            ("-5", Scalar::Int(-5)),
            ("010", Scalar::Int(8)),
            ("0x1F", Scalar::Int(31)),
            ("1_000", Scalar::Int(1000)),
            ("0.1", Scalar::Float(0.1)),
            ("1e3", Scalar::Float(1000.0)),
            ("09", Scalar::Int(9)),
            ("v1", Scalar::Text("v1")),
            ("1.2.3.4", Scalar::Text("1.2.3.4")),
            ("5s", Scalar::Text("5s")),
            (".", Scalar::Text(".")),
            ("--1", Scalar::Text("--1")),
            ("0x", Scalar::Text("0x")),
            ("inf", Scalar::Text("inf")),
        ] {
            assert_eq!(Scalar::resolve(text, true), scalar, "{text}");
        }
        assert_eq!(Scalar::resolve("15", false), Scalar::Text("15"));
    }
}
