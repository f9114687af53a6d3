//! A report as text.

use std::fmt::Write as _;

use super::{Kind, Report};
use crate::figures::{Mtls, Row};

/// Whether and how text is coloured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Paint {
    colours: bool,
}

const BOLD: &str = "1";
const DIM: &str = "2";
const RED: &str = "31";
const GREEN: &str = "32";
const YELLOW: &str = "33";

impl Paint {
    /// Colours or none.
    #[must_use]
    pub(crate) fn new(colours: bool) -> Self {
        Self { colours }
    }

    fn with(self, colour: &str, text: &str) -> String {
        if self.colours { format!("\x1b[{colour}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// The table of a report, each line ending with a newline; no line is longer than 80 columns but the first
/// ones, which hold the user's own paths.
pub(super) fn table(report: &Report, paint: Paint) -> String {
    let mut text = String::new();
    let span = match report.kind {
        Kind::Interval => format!("{:.0} s", report.seconds),
        Kind::Summary => format!("summary of {:.0} s", report.seconds),
    };
    let _ = writeln!(text, "{}  {}  {span}", paint.with(BOLD, "weft"), report.ingress);
    let _ = writeln!(text, "{}", paint.with(DIM, &format!("edit {}", report.dir)));
    let width = report.services.iter().map(|row| row.service.len()).max().unwrap_or(0).clamp(12, 30);
    let head = format!(
        "{:<width$}  {:<8} {:>9} {:>9} {:>10} {:>10}  {}",
        "SERVICE", "VERSION", "REQ/S", "SUCCESS", "P50", "P99", "mTLS"
    );
    let _ = writeln!(text, "{}", paint.with(BOLD, &head));
    for row in &report.services {
        let _ = writeln!(text, "{}", line(row, width, paint));
    }
    if let Some(load) = &report.load {
        let failed = format!("{} failed", load.failed);
        let failed = paint.with(if load.failed > 0 { RED } else { DIM }, &failed);
        let _ = writeln!(
            text,
            "{} {} ok, {failed}, p50 {}, p99 {}",
            paint.with(DIM, "from outside:"),
            load.succeeded,
            time(load.p50_ms),
            time(load.p99_ms)
        );
    }
    text
}

fn line(row: &Row, width: usize, paint: Paint) -> String {
    let success = format!("{:>9}", row.success_percent.map_or_else(|| "-".to_owned(), percent));
    let success = match row.success_percent {
        Some(share) if share < 100.0 => paint.with(RED, &success),
        Some(_) => paint.with(GREEN, &success),
        None => success,
    };
    let mtls = match row.mtls {
        Mtls::Yes => paint.with(GREEN, "yes"),
        Mtls::Partly => paint.with(YELLOW, "partly"),
        Mtls::No => paint.with(RED, "no"),
        Mtls::Unknown => "-".to_owned(),
    };
    format!(
        "{:<width$.width$}  {:<8.8} {:>9.1} {success} {:>10} {:>10}  {mtls}",
        row.service,
        row.version,
        row.requests_per_second,
        time(row.p50_ms),
        time(row.p99_ms),
    )
}

/// A report as one line for each version, for logs.
pub(super) fn lines(report: &Report) -> String {
    let mut text = String::new();
    for row in &report.services {
        let Row { service, version, requests_per_second, success_percent, p50_ms, p99_ms, .. } = row;
        let success = success_percent.map_or_else(|| "-".to_owned(), percent);
        let mtls = match row.mtls {
            Mtls::Yes => "yes",
            Mtls::Partly => "partly",
            Mtls::No => "no",
            Mtls::Unknown => "-",
        };
        let _ = writeln!(
            text,
            "{:.0}s {service} {version}: {requests_per_second:.1}/s, success {success}, p50 {}, p99 {}, mTLS {mtls}",
            report.seconds,
            time(*p50_ms),
            time(*p99_ms)
        );
    }
    text
}

fn percent(share: f64) -> String {
    // 99.97 must not look like all of them.
    if share < 100.0 { format!("{:.1} %", (share * 10.0).floor() / 10.0) } else { "100 %".to_owned() }
}

fn time(milliseconds: Option<f64>) -> String {
    milliseconds.map_or_else(|| "-".to_owned(), |time| format!("{time:.1} ms"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::figures::Counts;

    fn report() -> Report {
        let counts = Counts::read(include_str!("../../tests/scrape.prom"));
        let idle = Counts::default();
        let time = Duration::from_secs(10);
        Report {
            kind: Kind::Interval,
            seconds: 12.3,
            ingress: "http://127.0.0.1:8080/productpage".to_owned(),
            dir: "/tmp/mesh".to_owned(),
            load: None,
            services: vec![Row::new("ratings", "v1", &idle, time), Row::new("reviews", "v2", &counts, time)],
        }
    }

    #[test]
    fn a_scrape_becomes_a_table() {
        let expected = "\
weft  http://127.0.0.1:8080/productpage  12 s
edit /tmp/mesh
SERVICE       VERSION      REQ/S   SUCCESS        P50        P99  mTLS
ratings       v1             0.0         -          -          -  -
reviews       v2            10.0    95.0 %     5.0 ms    23.5 ms  yes
";
        assert_eq!(table(&report(), Paint::new(false)), expected);
    }

    #[test]
    fn colours_change_no_letter() {
        let painted = table(&report(), Paint::new(true));
        assert!(painted.contains("\x1b[31m"));
        let mut plain = painted;
        for code in [BOLD, DIM, RED, GREEN, "0"] {
            plain = plain.replace(&format!("\x1b[{code}m"), "");
        }
        assert_eq!(plain, table(&report(), Paint::new(false)));
    }

    #[test]
    fn a_log_has_a_line_for_each_version() {
        let expected = "12s ratings v1: 0.0/s, success -, p50 -, p99 -, mTLS -\n\
            12s reviews v2: 10.0/s, success 95.0 %, p50 5.0 ms, p99 23.5 ms, mTLS yes\n";
        assert_eq!(lines(&report()), expected);
    }
}
