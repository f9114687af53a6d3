//! The chart `base` holds what is declared here.

const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../charts/base/files/crds.yaml");

#[test]
fn the_charts_file_is_up_to_date() {
    let written = std::fs::read_to_string(CHART).expect("charts/base/files/crds.yaml");
    assert!(written == weft_crd::stream(), "run `cargo xtask crds` and look at what has changed");
}
