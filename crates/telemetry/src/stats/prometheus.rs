//! `/stats/prometheus`, in Envoy's form.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::buckets::{Distribution, PROMETHEUS_BOUNDS};
use super::registry::{Kind, Series};
use super::snapshot::{Sample, Snapshot, Value};

/// The exposition format, version 0.0.4: counters, then gauges, then histograms, each by family.
#[must_use]
pub fn render(snapshot: &Snapshot) -> String {
    let mut families: BTreeMap<(Kind, String), Vec<&Sample>> = BTreeMap::new();
    for sample in &snapshot.0 {
        families.entry((sample.series.kind, sanitize(&sample.series.family))).or_default().push(sample);
    }
    let mut out = String::new();
    for ((kind, family), samples) in families {
        let word = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        let _ = writeln!(out, "# TYPE {family} {word}");
        for sample in samples {
            match &sample.value {
                Value::Number(value) => {
                    let _ = writeln!(out, "{family}{{{}}} {value}", labels(&sample.series));
                }
                Value::Distribution(distribution) => {
                    histogram(&mut out, &family, &labels(&sample.series), distribution);
                }
            }
        }
    }
    out
}

fn histogram(out: &mut String, family: &str, labels: &str, distribution: &Distribution) {
    let comma = if labels.is_empty() { "" } else { "," };
    let count = distribution.count();
    for bound in PROMETHEUS_BOUNDS {
        let value = distribution.at_most(bound);
        let _ = writeln!(out, "{family}_bucket{{{labels}{comma}le=\"{bound}\"}} {value}");
    }
    let _ = writeln!(out, "{family}_bucket{{{labels}{comma}le=\"+Inf\"}} {count}");
    let _ = writeln!(out, "{family}_sum{{{labels}}} {}", distribution.sum);
    let _ = writeln!(out, "{family}_count{{{labels}}} {count}");
}

fn labels(series: &Series) -> String {
    let one = |(name, value): &(Box<str>, Box<str>)| format!("{}=\"{}\"", sanitize(name), escape(value));
    series.labels.iter().map(one).collect::<Vec<_>>().join(",")
}

/// Names are letters, digits, `_` and `:`, and start with no digit.
fn sanitize(name: &str) -> String {
    let valid = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let cleaned: String = name.chars().map(|c| if valid(c) { c } else { '_' }).collect();
    if cleaned.starts_with(|c: char| c.is_ascii_digit()) { format!("_{cleaned}") } else { cleaned }
}

fn escape(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
