//! Counters in Prometheus' text form, under Istio's names where Istio has one (TM-06).

use std::fmt::Write as _;

use super::Pages;
use super::syncz::{is_in_sync, short};

/// All counters.
pub(super) fn render(pages: &Pages) -> String {
    let world = pages.worlds.borrow().clone();
    let streams = pages.streams.all();
    let mut text = String::new();
    let mut metric = |name: &str, kind: &str, help: &str, rows: &[(String, u64)]| {
        let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
        for (labels, value) in rows {
            let _ = writeln!(text, "{name}{labels} {value}");
        }
    };
    let plain = |value: usize| vec![(String::new(), value as u64)];
    metric("pilot_xds", "gauge", "Proxies connected.", &plain(streams.len()));
    let behind = streams.iter().filter(|stream| !is_in_sync(stream)).count();
    metric("weft_xds_behind", "gauge", "Proxies that have not acknowledged all.", &plain(behind));
    let totals = pages.streams.totals();
    let rows = |value: fn(&weft_xds::server::Totals) -> u64| -> Vec<(String, u64)> {
        let row = |(type_url, totals): (&std::sync::Arc<str>, _)| {
            let name: String =
                short(type_url).chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
            (format!("{{type=\"{name}\"}}"), value(totals))
        };
        totals.iter().map(row).collect()
    };
    metric("pilot_xds_pushes", "counter", "Responses sent.", &rows(|t| t.responses));
    metric("weft_xds_resources_sent", "counter", "Resources sent.", &rows(|t| t.resources));
    metric("weft_xds_bytes_sent", "counter", "Bytes of resources sent.", &rows(|t| t.bytes));
    metric("weft_xds_nacks", "counter", "Responses refused.", &rows(|t| t.nacks));
    let nacks = totals.values().map(|totals| totals.nacks).sum();
    metric("pilot_total_xds_rejects", "counter", "Responses refused.", &[(String::new(), nacks)]);
    metric(
        "weft_snapshot_generation",
        "gauge",
        "Snapshots made.",
        &[(String::new(), world.snapshot.generation)],
    );
    let figures = pages.nodes.figures();
    let plain_u64 = |value: u64| vec![(String::new(), value)];
    metric(
        "weft_objects_visited_total",
        "counter",
        "Objects looked at for snapshots.",
        &plain_u64(world.visited),
    );
    metric(
        "weft_resources_built_total",
        "counter",
        "Resources made for proxies.",
        &plain_u64(figures.work.built),
    );
    metric(
        "weft_proxies_visited_total",
        "counter",
        "Proxies whose set was looked at.",
        &plain_u64(figures.work.proxies),
    );
    metric("weft_kins", "gauge", "Kinds of proxies that share what they have.", &plain(figures.kins));
    metric(
        "weft_sets_generation",
        "gauge",
        "Snapshot that all proxies have sets of.",
        &plain_u64(figures.generation),
    );
    let micros = |time: std::time::Duration| {
        vec![(String::new(), u64::try_from(time.as_micros()).unwrap_or(u64::MAX))]
    };
    let unix = world.begun.duration_since(std::time::SystemTime::UNIX_EPOCH).unwrap_or_default();
    metric(
        "weft_change_taken_unix_micros",
        "gauge",
        "When the last change was taken, after its debounce.",
        &micros(unix),
    );
    metric("weft_snapshot_micros", "gauge", "Time that the last snapshot took.", &micros(world.took));
    metric(
        "weft_sets_micros",
        "gauge",
        "Time that the sets of the last snapshot took.",
        &micros(figures.took),
    );
    let kinds: Vec<_> =
        world.objects.iter().map(|(kind, count)| (format!("{{kind=\"{kind}\"}}"), *count as u64)).collect();
    metric("weft_objects", "gauge", "Objects in force.", &kinds);
    metric("weft_diagnostics", "gauge", "Diagnostics that hold.", &plain(pages.diagnostics().len()));
    text
}
