//! Whole bootstraps, which real Envoy 1.40 takes, read as an independent implementation reads them.
// Helpers of tests may panic as tests do.
#![allow(clippy::unwrap_used)]

mod oracle;

use std::path::PathBuf;

use prost::Message;
use serde_json::Value as Json;
use weft_proto::envoy::config::bootstrap::v3::Bootstrap;
use weft_proto::json::{Names, Style, to_json};
use weft_proto::schema::MessageType;
use weft_proto::text::{self, Limits, Problem, Severity};

const BOOTSTRAP: &str = "envoy.config.bootstrap.v3.Bootstrap";

/// Name and text of each bootstrap in strict proto-JSON terms.
fn strict_bootstraps() -> Vec<(String, String)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/bootstraps");
    let mut found: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), read(&path)))
        .filter(|(name, _)| name != "lenient.yaml")
        .collect();
    found.sort();
    assert!(found.len() >= 10);
    found
}

fn read(path: &PathBuf) -> String {
    std::fs::read_to_string(path).unwrap()
}

fn as_json(name: &str, text: &str) -> Json {
    if name.ends_with(".json") {
        serde_json::from_str(text).unwrap()
    } else {
        serde_saphyr::from_str(text).unwrap()
    }
}

fn encode(name: &str, text: &str) -> (Vec<u8>, Vec<Problem>) {
    let dialect = if name.ends_with(".json") { text::Dialect::Json } else { text::Dialect::Yaml };
    let message = MessageType::find(BOOTSTRAP).unwrap();
    let encoded = text::encode(message, text, dialect, &Limits::default());
    (encoded.wire, encoded.problems)
}

#[test]
fn wire_bytes_are_those_of_an_independent_implementation() {
    for (name, text) in strict_bootstraps() {
        let (wire, problems) = encode(&name, &text);
        assert_eq!(problems, [], "{name}");
        let expected = oracle::from_json(BOOTSTRAP, as_json(&name, &text)).unwrap();
        let found = oracle::from_wire(BOOTSTRAP, &wire).unwrap();
        assert_eq!(oracle::to_json(&found).unwrap(), oracle::to_json(&expected).unwrap(), "{name}");
        // The typed message holds all of it.
        let typed = Bootstrap::decode(wire.as_slice()).unwrap().encode_to_vec();
        let message = MessageType::find(BOOTSTRAP).unwrap();
        assert_eq!(
            to_json(message, &typed, Style { names: Names::Proto, redact: false }).unwrap(),
            to_json(message, &wire, Style { names: Names::Proto, redact: false }).unwrap(),
            "{name}"
        );
    }
}

#[test]
fn dumps_are_those_of_an_independent_implementation_and_read_back() {
    let message = MessageType::find(BOOTSTRAP).unwrap();
    for (name, text) in strict_bootstraps() {
        let (wire, _) = encode(&name, &text);
        let dump = to_json(message, &wire, Style { names: Names::Proto, redact: false }).unwrap();
        let expected = oracle::to_json(&oracle::from_wire(BOOTSTRAP, &wire).unwrap()).unwrap();
        assert_eq!(dump, expected, "{name}");
        for names in [Names::Proto, Names::Json] {
            let dump = to_json(message, &wire, Style { names, redact: false }).unwrap().to_string();
            let (again, problems) = encode("dump.json", &dump);
            assert_eq!(problems, [], "{name}");
            assert_eq!(
                to_json(message, &again, Style { names: Names::Proto, redact: false }).unwrap(),
                expected,
                "{name}"
            );
        }
    }
}

#[test]
fn what_envoy_allows_beyond_proto_json_means_the_same_as_its_strict_form() {
    let lenient = text::parse_yaml::<Bootstrap>(include_str!("bootstraps/lenient.yaml"));
    let strict = text::parse_json::<Bootstrap>(include_str!("bootstraps/lenient.strict.json"));
    assert_eq!(strict.problems, []);
    assert_eq!(lenient.message, strict.message);
    // The second document alone is worth a word.
    let [problem] = lenient.problems.as_slice() else { panic!("{:?}", lenient.problems) };
    assert_eq!(problem.severity(), Severity::Warning);
    let line = include_str!("bootstraps/lenient.yaml").lines().position(|line| line == "---").unwrap() + 1;
    assert_eq!(problem.line as usize, line);
}

#[test]
fn scanning_good_bytes_finds_nothing() {
    let message = MessageType::find(BOOTSTRAP).unwrap();
    for (name, text) in strict_bootstraps() {
        let (wire, _) = encode(&name, &text);
        assert_eq!(weft_proto::scan::unknown_fields(message, &wire), [], "{name}");
    }
}
