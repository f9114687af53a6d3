//! Times in Envoy's formats.

use std::io::Write as _;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use jiff::fmt::strtime::BrokenDownTime;
use jiff::tz::TimeZone;

/// A time format, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TimeFormat {
    /// `2016-04-15T20:17:00.310Z`
    Default,
    /// Pieces of a given format.
    Pieces(Vec<Piece>),
}

/// A piece of a time format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// Conversions that `strftime` knows.
    Strftime(String),
    /// `%s`: seconds since 1970.
    Seconds,
    /// `%f`, `%3f`: so many digits of the second's fraction.
    Fraction(usize),
    /// `%E3S`: seconds with so many digits of the fraction.
    SecondFraction(usize),
    /// `%E*S`: seconds with as many digits of the fraction as are not 0.
    SecondShortest,
}

impl TimeFormat {
    /// Takes a format apart; empty is the default format. The error is what is wrong.
    pub(crate) fn parse(format: &str) -> Result<Self, String> {
        if format.is_empty() {
            return Ok(Self::Default);
        }
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let mut rest = format;
        while let Some(at) = rest.find('%') {
            let (before, conversion) = rest.split_at(at);
            plain.push_str(before);
            let (length, piece) = conversion_at(conversion)?;
            match piece {
                Some(Piece::Strftime(text)) => plain.push_str(&text),
                Some(piece) => {
                    flush(&mut plain, &mut pieces);
                    pieces.push(piece);
                }
                None => plain.push_str(conversion.get(..length).unwrap_or_default()),
            }
            rest = conversion.get(length..).unwrap_or_default();
        }
        plain.push_str(rest);
        flush(&mut plain, &mut pieces);
        let format = Self::Pieces(pieces);
        format.check()?;
        Ok(format)
    }

    fn check(&self) -> Result<(), String> {
        let Self::Pieces(pieces) = self else { return Ok(()) };
        let sample = BrokenDownTime::from(&Timestamp::UNIX_EPOCH.to_zoned(TimeZone::UTC));
        for piece in pieces {
            if let Piece::Strftime(format) = piece {
                let text = sample.to_string(format).map_err(|error| error.to_string())?;
                if text.contains(['\n', '\r', '\0']) {
                    return Err("a time format must not make a line break".to_owned());
                }
            }
        }
        Ok(())
    }

    /// Appends the time. Times before 1970 or beyond the calendar count as its start.
    pub(crate) fn write(&self, out: &mut Vec<u8>, time: SystemTime) {
        let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let timestamp = timestamp(since);
        match self {
            Self::Default => {
                let civil = TimeZone::UTC.to_datetime(timestamp);
                let small = |number: i8| u32::from(number.unsigned_abs());
                // By hand: it stands in every line of most logs.
                let parts = [
                    (u32::from(civil.year().unsigned_abs()), 4, b'-'),
                    (small(civil.month()), 2, b'-'),
                    (small(civil.day()), 2, b'T'),
                    (small(civil.hour()), 2, b':'),
                    (small(civil.minute()), 2, b':'),
                    (small(civil.second()), 2, b'.'),
                    (u32::from(civil.millisecond().unsigned_abs()), 3, b'Z'),
                ];
                for (number, width, after) in parts {
                    put_digits(out, number, width);
                    out.push(after);
                }
            }
            Self::Pieces(pieces) => {
                let broken_down = BrokenDownTime::from(&timestamp.to_zoned(TimeZone::UTC));
                for piece in pieces {
                    write_piece(out, piece, since, &broken_down);
                }
            }
        }
    }
}

fn write_piece(out: &mut Vec<u8>, piece: &Piece, since: Duration, broken_down: &BrokenDownTime) {
    let nanos = since.subsec_nanos();
    match piece {
        Piece::Strftime(format) => {
            if let Ok(text) = broken_down.to_string(format) {
                out.extend_from_slice(text.as_bytes());
            }
        }
        // Writing to a Vec cannot fail; neither can the writes below.
        Piece::Seconds => drop(write!(out, "{}", since.as_secs())),
        Piece::Fraction(digits) => write_fraction(out, nanos, *digits),
        Piece::SecondFraction(digits) => {
            drop(write!(out, "{:02}", since.as_secs() % 60));
            if *digits > 0 {
                out.push(b'.');
                write_fraction(out, nanos, *digits);
            }
        }
        Piece::SecondShortest => {
            drop(write!(out, "{:02}", since.as_secs() % 60));
            if nanos > 0 {
                out.push(b'.');
                write_fraction(out, nanos, 9);
                while out.last() == Some(&b'0') {
                    out.pop();
                }
            }
        }
    }
}

/// Writes a number's last `width` digits, at most 4.
fn put_digits(out: &mut Vec<u8>, number: u32, width: usize) {
    let mut digits = [b'0'; 4];
    let mut rest = number;
    for digit in digits.iter_mut().rev() {
        // A remainder of ten is a digit.
        *digit += (rest % 10) as u8;
        rest /= 10;
    }
    out.extend_from_slice(digits.get(4 - width.min(4)..).unwrap_or_default());
}

fn write_fraction(out: &mut Vec<u8>, nanos: u32, digits: usize) {
    let all = format!("{nanos:09}");
    out.extend_from_slice(all.as_bytes().get(..digits.min(9)).unwrap_or_default());
}

fn timestamp(since: Duration) -> Timestamp {
    i64::try_from(since.as_secs())
        .ok()
        .and_then(|seconds| Timestamp::new(seconds, since.subsec_nanos().cast_signed()).ok())
        .unwrap_or(Timestamp::UNIX_EPOCH)
}

fn flush(plain: &mut String, pieces: &mut Vec<Piece>) {
    if !plain.is_empty() {
        pieces.push(Piece::Strftime(std::mem::take(plain)));
    }
}

/// The conversion that `text` starts with: its length, and its piece if `strftime` has another idea
/// of it.
fn conversion_at(text: &str) -> Result<(usize, Option<Piece>), String> {
    let bytes = text.as_bytes();
    let digit =
        |at: usize| bytes.get(at).filter(|byte| byte.is_ascii_digit()).map(|byte| usize::from(byte - b'0'));
    let found = match (bytes.get(1), bytes.get(2), bytes.get(3)) {
        (Some(b's'), ..) => (2, Some(Piece::Seconds)),
        (Some(b'f'), ..) => (2, Some(Piece::Fraction(9))),
        (Some(b'1'..=b'9'), Some(b'f'), _) => (3, digit(1).map(Piece::Fraction)),
        (Some(b'E'), Some(b'*'), Some(b'S')) => (4, Some(Piece::SecondShortest)),
        (Some(b'E'), Some(b'0'..=b'9'), Some(b'S')) => (4, digit(2).map(Piece::SecondFraction)),
        (Some(b'E'), Some(b'0'..=b'9'), Some(b'f')) => (4, digit(2).map(Piece::Fraction)),
        (Some(b'E'), Some(b'4'), Some(b'Y')) => (4, Some(Piece::Strftime("%Y".to_owned()))),
        (Some(b'E'), Some(b'z'), _) => (3, Some(Piece::Strftime("%:z".to_owned()))),
        (Some(next), ..) if next.is_ascii() => (2, None),
        _ => return Err("a percent sign at the end of the time format".to_owned()),
    };
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64, nanos: u32) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::new(seconds, nanos)
    }

    fn written(format: &str, time: SystemTime) -> String {
        let mut out = Vec::new();
        TimeFormat::parse(format).unwrap().write(&mut out, time);
        String::from_utf8(out).unwrap()
    }

    /// What Envoy 1.40 wrote for the same time and format.
    #[test]
    fn agrees_with_envoy() {
        let time = at(1_795_421_787, 415_320_000);
        for (format, expect) in [
            ("", "2026-11-23T08:16:27.415Z"),
            ("%s", "1795421787"),
            ("%s.%3f", "1795421787.415"),
            (
                "%Y/%m/%dT%H:%M:%S%z %s %6f %f %9f",
                "2026/11/23T08:16:27+0000 1795421787 415320 415320000 415320000",
            ),
            (
                "%d %b %a %j %e %y %p %I %E3S %E*S %E4Y %Z",
                "23 Nov Mon 327 23 26 AM 08 27.415 27.41532 2026 UTC",
            ),
        ] {
            assert_eq!(written(format, time), expect, "{format}");
        }
    }

    #[test]
    fn refuses_line_breaks_and_unknown_conversions() {
        for format in ["%n", "x%", "%Q%Q%!", "%é"] {
            assert!(TimeFormat::parse(format).is_err(), "{format}");
        }
    }

    #[test]
    fn odd_times_do_not_panic() {
        assert_eq!(written("", at(0, 0) - Duration::from_secs(5)), "1970-01-01T00:00:00.000Z");
        assert_eq!(written("", at(1 << 60, 0)), "1970-01-01T00:00:00.000Z");
    }
}
