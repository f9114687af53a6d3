//! Values at one time.

use regex::Regex;

use super::buckets::Distribution;
use super::registry::{Kind, Series};

/// Which series to show (`?filter=`, `?usedonly`, `?type=`).
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// The text name must match somewhere.
    pub name: Option<Regex>,
    /// Only series that have been counted, set or recorded.
    pub used_only: bool,
    /// Only this kind.
    pub kind: Option<Kind>,
}

impl Filter {
    pub(crate) fn takes(&self, series: &Series) -> bool {
        self.kind.is_none_or(|kind| kind == series.kind)
            && self.name.as_ref().is_none_or(|name| name.is_match(&series.name))
    }

    /// Reads the query of an admin request: `filter`, `usedonly` and `type` (`Counters`, `Gauges`,
    /// `Histograms`); other parameters are left to others.
    ///
    /// # Errors
    /// The filter is no regular expression.
    pub fn from_query(query: &str) -> Result<Self, regex::Error> {
        let mut filter = Self::default();
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            match name {
                "filter" => filter.name = Some(Regex::new(&decode(value))?),
                "usedonly" => filter.used_only = true,
                "type" => {
                    filter.kind = match value {
                        "Counters" => Some(Kind::Counter),
                        "Gauges" => Some(Kind::Gauge),
                        "Histograms" => Some(Kind::Histogram),
                        _ => None,
                    }
                }
                _ => {}
            }
        }
        Ok(filter)
    }
}

/// Percent-decodes a query value; what is no escape stays.
fn decode(value: &str) -> String {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let escape = (*first == b'%').then(|| tail.get(..2)).flatten();
        let byte = escape.and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { tail.get(2..).unwrap_or_default() } else { tail };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A series' value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Of a counter or gauge.
    Number(u64),
    /// Of a histogram.
    Distribution(Distribution),
}

/// A series with its value.
#[derive(Clone, Debug)]
pub struct Sample {
    /// The series.
    pub series: Series,
    /// Its value.
    pub value: Value,
    /// Whether it has been counted, set or recorded.
    pub used: bool,
}

/// Samples sorted by name.
#[derive(Clone, Debug)]
pub struct Snapshot(pub Vec<Sample>);

impl Snapshot {
    /// Counters and gauges.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = (&Series, u64)> {
        self.0.iter().filter_map(|sample| match &sample.value {
            Value::Number(number) => Some((&sample.series, *number)),
            Value::Distribution(_) => None,
        })
    }

    /// Histograms.
    pub(crate) fn distributions(&self) -> impl Iterator<Item = (&Series, &Distribution)> {
        self.0.iter().filter_map(|sample| match &sample.value {
            Value::Number(_) => None,
            Value::Distribution(distribution) => Some((&sample.series, distribution)),
        })
    }
}
