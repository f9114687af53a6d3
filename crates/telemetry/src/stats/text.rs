//! `/stats` as text and as JSON, in Envoy's forms.

use std::fmt::Write as _;

use super::buckets::{Distribution, QUANTILES};
use super::snapshot::Snapshot;
use crate::json;

/// `name: value` lines: numbers first, histograms after them, each sorted by name. Envoy shows each
/// quantile of the last interval and of all time; no intervals are kept here, so the first is `nan`.
#[must_use]
pub fn render_text(snapshot: &Snapshot) -> String {
    let mut out = String::new();
    for (series, value) in snapshot.numbers() {
        let _ = writeln!(out, "{}: {value}", series.name);
    }
    for (series, distribution) in snapshot.distributions() {
        let _ = writeln!(out, "{}: {}", series.name, quantiles(distribution));
    }
    out
}

fn quantiles(distribution: &Distribution) -> String {
    if distribution.count() == 0 {
        return "No recorded values".to_owned();
    }
    let one = |q: &f64| format!("P{q}(nan,{})", distribution.quantile(*q).unwrap_or_default());
    QUANTILES.iter().map(one).collect::<Vec<_>>().join(" ")
}

/// `{"stats": [{"name", "value"} …, {"histograms": …}]}`.
#[must_use]
pub fn render_json(snapshot: &Snapshot) -> Vec<u8> {
    let mut out = b"{\"stats\":[".to_vec();
    for (series, value) in snapshot.numbers() {
        out.extend_from_slice(b"{\"name\":");
        json::write_string(&mut out, series.name.as_bytes());
        out.extend_from_slice(format!(",\"value\":{value}}},").as_bytes());
    }
    let mut histograms = snapshot.distributions().peekable();
    if histograms.peek().is_some() {
        let supported: Vec<String> = QUANTILES.iter().map(ToString::to_string).collect();
        let head = format!(
            "{{\"histograms\":{{\"supported_quantiles\":[{}],\"computed_quantiles\":[",
            supported.join(",")
        );
        out.extend_from_slice(head.as_bytes());
        for (series, distribution) in histograms {
            out.extend_from_slice(b"{\"name\":");
            json::write_string(&mut out, series.name.as_bytes());
            out.extend_from_slice(b",\"values\":[");
            for q in QUANTILES {
                out.extend_from_slice(b"{\"cumulative\":");
                json::write_number(&mut out, distribution.quantile(q).unwrap_or(f64::NAN));
                out.extend_from_slice(b",\"interval\":null},");
            }
            drop_comma(&mut out);
            out.extend_from_slice(b"]},");
        }
        drop_comma(&mut out);
        out.extend_from_slice(b"]}},");
    }
    drop_comma(&mut out);
    out.extend_from_slice(b"]}");
    out
}

fn drop_comma(out: &mut Vec<u8>) {
    if out.last() == Some(&b',') {
        out.pop();
    }
}
