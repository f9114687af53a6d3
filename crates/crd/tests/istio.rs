//! Our definitions are Istio's (rows CRD-01 to CRD-16), compared node by node with the ones that Istio ships.
//!
//! Those are not carried in this repository. Where they lie beside it, every difference is listed here;
//! everywhere,
//! `chart.rs` holds what was compared, since the chart's file changes with every change of a definition.

use serde_json::Value;
use weft_crd::{definitions, difference, document};

const ISTIO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data/crds/istio.yaml");

#[test]
fn every_node_is_as_in_istios_definitions() {
    let ours: Vec<Value> = definitions().iter().map(document).collect();
    let names: std::collections::BTreeSet<String> =
        ours.iter().map(|one| one["metadata"]["name"].to_string()).collect();
    assert_eq!(names.len(), 15);
    let Ok(text) = std::fs::read_to_string(ISTIO) else { return };
    let theirs: Vec<Value> = serde_saphyr::from_multiple(&text).expect("Istio's definitions are YAML");
    assert_eq!(theirs.len(), 15);
    let found = difference::of_definitions(&ours, &theirs);
    assert!(found.is_empty(), "{} differences:\n{}", found.len(), found.join("\n"));
}
