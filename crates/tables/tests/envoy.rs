//! Real Envoy is asked (`--mode validate`) whether it takes the bootstraps of `verdicts.yaml`.
#![allow(clippy::expect_used, clippy::print_stdout, reason = "a test")]

mod support;

use std::path::PathBuf;
use std::process::Command;

use support::cases::{Verdict, base, cases};

#[test]
fn envoy_gives_the_verdicts_of_the_table() {
    let envoy = std::env::var_os("WEFT_ENVOY").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/tools/venv/bin/envoy"),
        PathBuf::from,
    );
    let dir = tempfile::tempdir().expect("a directory");
    let ask = |json: serde_json::Value| {
        let path = dir.path().join("bootstrap.json");
        std::fs::write(&path, json.to_string()).expect("a file");
        let mut command = Command::new(&envoy);
        command.args(["--mode", "validate", "-l", "critical", "-c"]).arg(&path);
        let output = command.output().expect("Envoy: set WEFT_ENVOY, or `cargo xtask` installs it");
        if output.status.success() { Verdict::Accepts } else { Verdict::Refuses }
    };
    assert_eq!(ask(base()), Verdict::Accepts);
    let mut wrong = 0;
    for case in cases() {
        let found = ask(case.bootstrap());
        if found != case.envoy {
            wrong += 1;
            println!("{}\t{found:?}", case.name);
        }
    }
    assert_eq!(wrong, 0, "rows with another verdict than the table says");
}
