//! `google.protobuf.Timestamp` as text: RFC 3339, such as `2026-01-31T23:59:59.5Z`.

use crate::duration::{digits, fraction, nanos};

const SECONDS_A_DAY: i64 = 86_400;

/// First and last second: the years 1 to 9999; source: google.protobuf.Timestamp.
const RANGE: std::ops::RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;

/// Reads a date, time and offset from UTC to seconds since 1970 and billionths.
pub(crate) fn parse(text: &str) -> Option<(i64, i32)> {
    let (date, time) = text.split_once(['T', 't'])?;
    let (year, month_day) = date.split_once('-')?;
    let (month, day) = month_day.split_once('-')?;
    let (year, month, day) = (fixed(year, 4)?, fixed(month, 2)?, fixed(day, 2)?);
    let (time, offset) = match time.strip_suffix(['Z', 'z']) {
        Some(time) => (time, 0),
        None => {
            let at = time.rfind(['+', '-'])?;
            let (time, offset) = time.split_at_checked(at)?;
            (time, parse_offset(offset)?)
        }
    };
    let (clock, nanos) = match time.split_once('.') {
        Some((clock, decimals)) => (clock, nanos(decimals)?),
        None => (time, 0),
    };
    let (hour, minute_second) = clock.split_once(':')?;
    let (minute, second) = minute_second.split_once(':')?;
    let (hour, minute, second) = (fixed(hour, 2)?, fixed(minute, 2)?, fixed(second, 2)?);
    let real_day = year > 0 && (1..=12).contains(&month) && day > 0 && day <= days_of_month(year, month);
    if !real_day || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let seconds =
        days_since_1970(year, month, day) * SECONDS_A_DAY + hour * 3600 + minute * 60 + second - offset;
    RANGE.contains(&seconds).then_some((seconds, nanos))
}

/// Writes UTC with zero, three, six or nine decimals, as proto-JSON does; `None` outside of the years 1
/// to 9999.
pub(crate) fn format(seconds: i64, nanos: i32) -> Option<String> {
    let nanos = u32::try_from(nanos).ok().filter(|nanos| *nanos < 1_000_000_000)?;
    if !RANGE.contains(&seconds) {
        return None;
    }
    let (year, month, day) = date_of(seconds.div_euclid(SECONDS_A_DAY));
    let rest = seconds.rem_euclid(SECONDS_A_DAY);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    let fraction = fraction(nanos);
    Some(format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}Z"))
}

fn fixed(text: &str, width: usize) -> Option<i64> {
    digits(text).filter(|text| text.len() == width)?.parse().ok()
}

fn parse_offset(text: &str) -> Option<i64> {
    let (sign, rest) = match text.split_at_checked(1)? {
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let (hour, minute) = rest.split_once(':')?;
    let (hour, minute) = (fixed(hour, 2)?, fixed(minute, 2)?);
    (hour < 24 && minute < 60).then_some(sign * (hour * 3600 + minute * 60))
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_of_month(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days before the first of January of a year, counted from the year 1.
fn days_before_year(year: i64) -> i64 {
    let past = year - 1;
    past * 365 + past / 4 - past / 100 + past / 400
}

fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let months: i64 = (1..month).map(|month| days_of_month(year, month)).sum();
    days_before_year(year) - days_before_year(1970) + months + day - 1
}

fn date_of(days: i64) -> (i64, i64, i64) {
    // The guess by mean length is at most one year off.
    let days = days + days_before_year(1970);
    let mut year = days * 400 / 146_097 + 1;
    while days_before_year(year) > days {
        year -= 1;
    }
    while days_before_year(year + 1) <= days {
        year += 1;
    }
    let (mut month, mut day) = (1, days - days_before_year(year));
    while day >= days_of_month(year, month) {
        day -= days_of_month(year, month);
        month += 1;
    }
    (year, month, day + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_instants_read_and_write() {
        for (text, value) in [
            ("1970-01-01T00:00:00Z", (0, 0)),
            ("2000-02-29T12:30:45.500Z", (951_827_445, 500_000_000)),
            ("2026-11-23T07:51:06Z", (1_795_420_266, 0)),
            ("0001-01-01T00:00:00Z", (*RANGE.start(), 0)),
            ("9999-12-31T23:59:59.999999999Z", (*RANGE.end(), 999_999_999)),
            ("1969-12-31T23:59:59Z", (-1, 0)),
        ] {
            assert_eq!(parse(text), Some(value), "{text}");
            assert_eq!(format(value.0, value.1).as_deref(), Some(text));
        }
        assert_eq!(parse("1970-01-01T02:00:00+02:00"), Some((0, 0)));
        assert_eq!(parse("1969-12-31T22:30:00.25-01:30"), Some((0, 250_000_000)));
    }

    #[test]
    fn what_is_no_instant_is_refused() {
        for text in [
            "",
            "1970-01-01",
            "1970-01-01T00:00:00",
            "1970-02-29T00:00:00Z",
            "1970-13-01T00:00:00Z",
            "1970-01-01T24:00:00Z",
            "1970-1-1T0:0:0Z",
            "0000-01-01T00:00:00Z",
            "0001-01-01T00:00:00+00:01",
            "1970-01-01T00:00:00.Z",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(format(i64::MAX, 0), None);
        assert_eq!(format(0, -1), None);
    }

    #[test]
    fn every_day_of_the_range_survives() {
        for day in (*RANGE.start() / SECONDS_A_DAY..=*RANGE.end() / SECONDS_A_DAY).step_by(97) {
            let seconds = day * SECONDS_A_DAY + 3_661;
            let text = format(seconds, 0).unwrap_or_default();
            assert_eq!(parse(&text), Some((seconds, 0)), "{text}");
        }
    }
}
