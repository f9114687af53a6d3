//! What becomes of each row of `verdicts.yaml`. The test `envoy` asks real Envoy the same.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

mod support;

use std::collections::BTreeSet;

use serde_json::Value;
use support::cases::{Case, Verdict, Weft, base, cases, cluster, listener};
use weft_proto::envoy::config::bootstrap::v3::Bootstrap;
use weft_tables::convert::{NoData, bootstrap};
use weft_tables::{Finding, ResourceKind, Tables};

fn convert(json: &Value) -> (Tables, Vec<Finding>) {
    let text = json.to_string();
    let proto =
        weft_proto::text::parse_json::<Bootstrap>(&text).accepted().unwrap_or_else(|e| panic!("{e}\n{text}"));
    bootstrap(&proto, &NoData)
}

fn verdict(findings: &[Finding]) -> Weft {
    let paths = |refused| -> Vec<String> {
        let paths: BTreeSet<_> =
            findings.iter().filter(|f| f.is_refused() == refused).map(|f| f.path.clone()).collect();
        paths.into_iter().collect()
    };
    match (paths(true), paths(false)) {
        (refused, _) if !refused.is_empty() => Weft::Refuses(refused),
        (_, ignored) if !ignored.is_empty() => Weft::Ignores(ignored),
        _ => Weft::Accepts,
    }
}

#[test]
fn the_base_has_no_findings() {
    let (tables, findings) = convert(&base());
    assert_eq!(findings, []);
    assert_eq!((tables.listeners.len(), tables.clusters.len()), (1, 1));
}

#[test]
fn every_row_gets_its_verdict() {
    let mut wrong = 0;
    for case in cases() {
        let (_, findings) = convert(&case.bootstrap());
        let found = verdict(&findings);
        if found != case.weft {
            wrong += 1;
            println!("{}\t{found:?}", case.name);
            for finding in &findings {
                println!("    {finding}");
            }
        }
    }
    assert_eq!(wrong, 0, "rows with another verdict than the table says");
}

#[test]
fn weft_is_stricter_or_laxer_than_envoy_only_where_that_is_written_down() {
    let page = include_str!("../../../docs/differences.md");
    for Case { name, envoy, weft, differs, .. } in cases() {
        let same = (envoy == Verdict::Refuses) == matches!(weft, Weft::Refuses(_));
        match differs {
            None => assert!(same, "{name}: an entry of docs/differences.md is missing"),
            Some(entry) => {
                assert!(!same, "{name}: the verdicts are the same");
                assert!(page.contains(&format!("## {entry} ")), "{name}: no entry {entry}");
            }
        }
    }
}

#[test]
fn refusals_name_fields_that_exist() {
    for case in cases() {
        let json = case.bootstrap();
        let (_, findings) = convert(&json);
        for finding in findings.iter().filter(|f| f.is_refused()) {
            let root = match finding.resource.kind {
                ResourceKind::Listener => &json["static_resources"]["listeners"][0],
                ResourceKind::Cluster => &json["static_resources"]["clusters"][0],
                ResourceKind::Bootstrap => &json,
                kind => panic!("{}: {kind:?}", case.name),
            };
            assert!(at(root, &finding.path).is_some(), "{}: no {:?}", case.name, finding.path);
        }
    }
}

/// The value at a path such as `filters[0].typed_per_filter_config["a.b"].x`.
fn at<'j>(mut value: &'j Value, path: &str) -> Option<&'j Value> {
    let mut rest = path;
    while !rest.is_empty() {
        if let Some(key) = rest.strip_prefix("[\"") {
            let (key, after) = key.split_once("\"]")?;
            (value, rest) = (value.get(key)?, after);
        } else if let Some(index) = rest.strip_prefix('[') {
            let (index, after) = index.split_once(']')?;
            (value, rest) = (value.get(index.parse::<usize>().ok()?)?, after);
        } else {
            rest = rest.strip_prefix('.').unwrap_or(rest);
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            let (name, after) = rest.split_at(end);
            (value, rest) = (value.get(name)?, after);
        }
    }
    Some(value)
}

#[test]
fn a_bad_resource_harms_only_itself() {
    let (good, _) = convert(&base());
    let text = |tables: &Tables| format!("{:?} {:?}", tables.listeners["l"], tables.clusters["a"]);
    for case in cases().iter().filter(|c| matches!(c.weft, Weft::Refuses(_)) && c.at != "bootstrap") {
        let bad = &case.bootstrap()["static_resources"];
        let mut listener = bad["listeners"][0].clone();
        let mut cluster = bad["clusters"][0].clone();
        listener["name"] = "other".into();
        if cluster["name"] == "a" {
            cluster["name"] = "other".into();
        }
        for front in [true, false] {
            let mut mixed = base();
            let resources = &mut mixed["static_resources"];
            for (kind, one) in [("listeners", &listener), ("clusters", &cluster)] {
                let list = resources[kind].as_array_mut().unwrap();
                list.insert(if front { 0 } else { list.len() }, one.clone());
            }
            let (tables, findings) = convert(&mixed);
            assert_eq!(text(&tables), text(&good), "{}", case.name);
            assert!(findings.iter().any(Finding::is_refused), "{}", case.name);
            assert_eq!(tables.listeners.len() + tables.clusters.len(), 3, "{}", case.name);
        }
    }
}

#[test]
fn the_second_resource_of_a_name_is_left_out() {
    let mut json = base();
    let resources = &mut json["static_resources"];
    resources["clusters"].as_array_mut().unwrap().push(cluster("a"));
    resources["listeners"].as_array_mut().unwrap().push(listener("l"));
    let (tables, findings) = convert(&json);
    assert_eq!((tables.listeners.len(), tables.clusters.len()), (1, 1));
    assert_eq!(findings.iter().filter(|f| f.is_refused()).count(), 2);
}
