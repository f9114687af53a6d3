//! Pages of metrics, as a test reads them.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A sample: labels and value.
pub(crate) type Sample = (BTreeMap<String, String>, f64);

/// All samples of that name on a page.
pub(crate) fn samples(page: &str, name: &str) -> Vec<Sample> {
    let of_name = |line: &str| Some(line.strip_prefix(name)?.strip_prefix('{')?.to_owned());
    page.lines().filter_map(of_name).map(|rest| sample(&rest)).collect()
}

fn sample(rest: &str) -> Sample {
    let (labels, value) = rest.rsplit_once("} ").unwrap();
    let label = |part: &str| {
        let (name, value) = part.split_once("=\"").unwrap();
        (name.to_owned(), value.to_owned())
    };
    let labels = labels.trim_end_matches('"').split("\",").map(label).collect();
    (labels, value.parse().unwrap())
}

/// Checks labels of a sample.
pub(crate) fn assert_labels(sample: &Sample, expect: &[(&str, &str)]) {
    for (name, value) in expect {
        assert_eq!(sample.0.get(*name).map(String::as_str), Some(*value), "{name} of {:#?}", sample.0);
    }
}

/// Lets Prometheus's own parser judge a page.
pub(crate) fn assert_valid(page: &str) {
    let mut child = Command::new(promtool())
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    // 3: it parses, and the style could be better (Envoy's metrics have no help texts).
    assert!(matches!(output.status.code(), Some(0 | 3)), "{:?}: {said}\n{page}", output.status);
}

fn promtool() -> PathBuf {
    if let Some(path) = std::env::var_os("WEFT_PROMTOOL") {
        return path.into();
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools/prometheus/usr/bin/promtool");
    assert!(path.exists(), "no promtool to test with: run `cargo xtask tools`, or set WEFT_PROMTOOL");
    path
}
