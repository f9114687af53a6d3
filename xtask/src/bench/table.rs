//! What is printed and written: a table for each case, and all as JSON.

use super::figures::Figure;
use super::kind::Kind;
use super::rounds::{Ran, Row};
use serde_json::{Map, Value, json};

/// Prints a case's medians, and the ratios of ours (or of the last proxy) to each other one.
pub(super) fn print(ran: &Ran) {
    let shown: Vec<Figure> = Figure::ALL
        .into_iter()
        .filter(|figure| ran.rows.iter().any(|(_, row)| median(row, *figure).is_some()))
        .collect();
    let headings: String = shown.iter().map(|figure| format!(" {:>9}", figure.heading())).collect();
    println!("  {:8}{headings}   by the {}", "", ran.case.unit);
    for (kind, row) in &ran.rows {
        match row {
            Row::Absent(why) => println!("  {:8} {why}", kind.name()),
            Row::Measured(_) => {
                let cells: String = shown.iter().map(|figure| cell(median(row, *figure))).collect();
                println!("  {:8}{cells}", kind.name());
            }
        }
    }
    let subject = if ran.of(Kind::Weft).is_some() { Kind::Weft } else { last(ran) };
    let ratios = ratios(ran, subject);
    if !ratios.is_empty() {
        let told = ratios.iter().map(|(peer, spread)| {
            format!("{:.2} of {peer} ({:.2}–{:.2})", spread.median, spread.min, spread.max)
        });
        let told = told.collect::<Vec<_>>().join(", ");
        println!("  {}: {} {told}", subject.name(), ran.case.compare.heading());
    }
}

fn last(ran: &Ran) -> Kind {
    ran.rows.last().map_or(Kind::Weft, |(kind, _)| *kind)
}

fn cell(value: Option<f64>) -> String {
    match value {
        None => format!(" {:>9}", "–"),
        Some(value) if value >= 1000.0 => format!(" {value:9.0}"),
        Some(value) if value >= 10.0 => format!(" {value:9.1}"),
        Some(value) => format!(" {value:9.3}"),
    }
}

fn median(row: &Row, figure: Figure) -> Option<f64> {
    match row {
        Row::Measured(rounds) => rounds.median(figure),
        Row::Absent(_) => None,
    }
}

fn ratios(ran: &Ran, subject: Kind) -> Vec<(&'static str, super::figures::Spread)> {
    let Some(own) = ran.of(subject) else { return Vec::new() };
    let others = ran.rows.iter().filter(|(kind, _)| *kind != subject);
    others
        .filter_map(|(kind, _)| Some((kind.name(), own.against(ran.of(*kind)?, ran.case.compare)?)))
        .collect()
}

/// One object for each proxy of each case.
pub(super) fn json(all: &[Ran]) -> Value {
    let rows = all.iter().flat_map(|ran| ran.rows.iter().map(move |(kind, row)| object(ran, *kind, row)));
    Value::Array(rows.collect())
}

fn object(ran: &Ran, kind: Kind, row: &Row) -> Value {
    let mut object = Map::from_iter([
        ("case".to_owned(), json!(ran.case.name)),
        ("proxy".to_owned(), json!(kind.name())),
        ("unit".to_owned(), json!(ran.case.unit)),
    ]);
    for figure in Figure::ALL {
        object.insert(figure.name().to_owned(), json!(median(row, figure)));
    }
    let rounds = match row {
        Row::Measured(rounds) => rounds.0.len(),
        Row::Absent(why) => {
            object.insert("absent".to_owned(), json!(why));
            0
        }
    };
    object.insert("rounds".to_owned(), json!(rounds));
    object.insert("ratio_of".to_owned(), json!(ran.case.compare.name()));
    let ratios = ratios(ran, kind).into_iter().map(|(peer, spread)| (peer.to_owned(), json!(spread)));
    object.insert("ratios".to_owned(), Value::Object(ratios.collect()));
    Value::Object(object)
}
