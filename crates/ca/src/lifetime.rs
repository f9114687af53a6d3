//! From when until when something is valid.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use x509_parser::certificate::Validity;
use x509_parser::time::ASN1Time;

/// The last second that a certificate can name: the end of the year 9999.
const LAST_SECOND: u64 = 253_402_300_799;

/// A span of time, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetime {
    /// When it begins.
    pub from: SystemTime,
    /// When it ends.
    pub until: SystemTime,
}

impl Lifetime {
    /// How long it is; zero when it ends before it begins.
    #[must_use]
    pub fn length(&self) -> Duration {
        self.until.duration_since(self.from).unwrap_or_default()
    }

    /// The part that both have.
    #[must_use]
    pub fn within(&self, other: &Self) -> Self {
        Self { from: self.from.max(other.from), until: self.until.min(other.until) }
    }

    /// The moment at a share of it (0: its begin, 1: its end).
    pub(crate) fn at(&self, share: f64) -> SystemTime {
        let share = if share.is_nan() { 0.0 } else { share.clamp(0.0, 1.0) };
        // The product lies between two times that exist.
        self.from.checked_add(self.length().mul_f64(share)).unwrap_or(self.until)
    }

    pub(crate) fn of(validity: &Validity) -> Self {
        Self { from: time(&validity.not_before), until: time(&validity.not_after) }
    }
}

/// Seconds since 1970, as certificates count; what no certificate can name becomes the nearest it can.
pub(crate) fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()).min(LAST_SECOND)
}

fn time(asn1: &ASN1Time) -> SystemTime {
    let seconds = u64::try_from(asn1.timestamp()).unwrap_or(0).min(LAST_SECOND);
    UNIX_EPOCH + Duration::from_secs(seconds)
}
