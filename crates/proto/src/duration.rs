//! `google.protobuf.Duration` as text: `1.5s`.

/// Largest number of seconds, either way (10 000 years); source: google.protobuf.Duration.
const MAX_SECONDS: i64 = 315_576_000_000;

/// Reads seconds with at most nine decimals and an `s`, such as `0.25s` or `-3s`.
pub(crate) fn parse(text: &str) -> Option<(i64, i32)> {
    let number = text.strip_suffix('s')?;
    let (negative, number) = number.strip_prefix('-').map_or((false, number), |number| (true, number));
    let (whole, fraction) = match number.split_once('.') {
        Some((whole, fraction)) => (whole, nanos(fraction)?),
        None => (number, 0),
    };
    let seconds = digits(whole)?.parse().ok().filter(|seconds: &i64| *seconds <= MAX_SECONDS)?;
    Some(if negative { (-seconds, -fraction) } else { (seconds, fraction) })
}

/// Writes with zero, three, six or nine decimals, as proto-JSON does.
pub(crate) fn format(seconds: i64, nanos: i32) -> String {
    let sign = if seconds < 0 || nanos < 0 { "-" } else { "" };
    format!("{sign}{}{}s", seconds.unsigned_abs(), fraction(nanos.unsigned_abs()))
}

/// One to nine decimals as billionths.
pub(crate) fn nanos(decimals: &str) -> Option<i32> {
    let width = digits(decimals)?.len();
    let scale = 10_i32.checked_pow(u32::try_from(9_usize.checked_sub(width)?).ok()?)?;
    decimals.parse::<i32>().ok()?.checked_mul(scale)
}

/// Billionths as a point with three, six or nine decimals; nothing for zero.
pub(crate) fn fraction(nanos: u32) -> String {
    match nanos {
        0 => String::new(),
        _ if nanos.is_multiple_of(1_000_000) => format!(".{:03}", nanos / 1_000_000),
        _ if nanos.is_multiple_of(1_000) => format!(".{:06}", nanos / 1_000),
        _ => format!(".{nanos:09}"),
    }
}

/// The text, if it is digits and nothing else.
pub(crate) fn digits(text: &str) -> Option<&str> {
    (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_envoy_reads_and_refuses_what_envoy_refuses() {
        for (text, value) in [
            ("5s", (5, 0)),
            ("0.25s", (0, 250_000_000)),
            ("-1.000000001s", (-1, -1)),
            ("-0.5s", (0, -500_000_000)),
            ("315576000000s", (MAX_SECONDS, 0)),
        ] {
            assert_eq!(parse(text), Some(value), "{text}");
        }
        for text in [
            "5",
            "5ms",
            "1e1s",
            "1 s",
            ".5s",
            "5.s",
            "0.1234567891s",
            "+1s",
            "s",
            "--1s",
            "-s",
            "315576000001s",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn writes_as_proto_json_does() {
        for (value, text) in [
            ((5, 0), "5s"),
            ((0, 250_000_000), "0.250s"),
            ((0, 1_000), "0.000001s"),
            ((-1, -1), "-1.000000001s"),
            ((i64::MIN, i32::MIN), "-9223372036854775808.2147483648s"),
        ] {
            assert_eq!(format(value.0, value.1), text);
        }
    }
}
