//! Inputs made to hurt: they end in a problem that names a limit, soon and without a panic.
// Helpers of tests may panic as tests do.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use weft_proto::envoy::config::bootstrap::v3::Bootstrap;
use weft_proto::google::protobuf::Struct;
use weft_proto::json::{Names, Style, to_json};
use weft_proto::schema::MessageType;
use weft_proto::text::{self, Dialect, Limits, ProblemKind};

fn only_problem(yaml: &str) -> ProblemKind {
    let [problem] = text::parse_yaml::<Struct>(yaml).problems.try_into().unwrap();
    problem.kind
}

#[test]
fn aliases_cannot_multiply() {
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..20 {
        let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
        bomb.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
    }
    assert!(matches!(only_problem(&bomb), ProblemKind::Limit { limit: "max_expanded_bytes", .. }));

    let long = format!("a: &a {}\nb: [{}]", "x".repeat(1 << 20), "*a, ".repeat(10_000));
    assert!(matches!(only_problem(&long), ProblemKind::Limit { limit: "max_expanded_bytes", .. }));
}

#[test]
fn nesting_has_a_limit_even_when_stacked_with_aliases() {
    let deep = format!("a: {}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(matches!(only_problem(&deep), ProblemKind::Limit { .. } | ProblemKind::Syntax { .. }));
    let block: String = (0..5000).map(|level| format!("{}a:\n", " ".repeat(level))).collect();
    assert!(matches!(only_problem(&block), ProblemKind::Limit { .. } | ProblemKind::Syntax { .. }));

    let mut stacked = String::from("a0: &a0 {x: 1}\n");
    for level in 1..1000 {
        let below = level - 1;
        stacked.push_str(&format!("a{level}: &a{level} [[[[[[[[[[*a{below}]]]]]]]]]]\n"));
    }
    assert!(matches!(only_problem(&stacked), ProblemKind::Limit { limit: "max_depth", .. }));
}

#[test]
fn a_message_nested_deeper_than_its_decoder_goes_is_a_problem() {
    // Each level of JSON is three messages, of which prost decodes a hundred.
    let deep = format!("a: {}1{}", "[".repeat(150), "]".repeat(150));
    assert!(matches!(only_problem(&deep), ProblemKind::Undecodable { .. }));
}

#[test]
fn the_deepest_text_that_is_read_fits_a_small_stack() {
    let deep = format!("a: {}1{}", "[".repeat(199), "]".repeat(199));
    let any = "{'@type': type.googleapis.com/google.protobuf.Any, value: ";
    let anys = format!("{}{{}}{}", any.repeat(199), "}".repeat(199));
    let read = move || {
        let problems = text::parse_yaml::<Struct>(&deep).problems;
        (problems.len(), text::parse_yaml::<weft_proto::google::protobuf::Any>(&anys).problems.len())
    };
    let thread = std::thread::Builder::new().stack_size(1 << 20).spawn(read).unwrap();
    assert_eq!(thread.join().unwrap(), (1, 0));
}

#[test]
fn a_long_text_is_refused_before_it_is_read() {
    let limits = Limits { max_bytes: 10, ..Limits::default() };
    let parsed = text::parse::<Struct>("a: 12345678", Dialect::Yaml, &limits);
    assert_eq!(parsed.problems[0].kind, ProblemKind::Limit { limit: "max_bytes", value: 10 });
}

#[test]
fn the_number_of_problems_has_a_limit() {
    let yaml: String = (0..5000).map(|number| format!("unknown{number}: 1\n")).collect();
    let problems = text::parse_yaml::<Bootstrap>(&yaml).problems;
    assert_eq!(problems.len(), 1001);
    assert_eq!(
        problems.last().map(|problem| problem.kind.clone()),
        Some(ProblemKind::TooMany { kept: 1000 })
    );
}

#[test]
fn an_any_nested_too_deep_is_dumped_as_bytes() {
    use prost::Message;
    use weft_proto::google::protobuf::Any;
    let any_url = "type.googleapis.com/google.protobuf.Any";
    let mut any = Any::default();
    for _ in 0..2000 {
        any = Any { type_url: any_url.to_owned(), value: any.encode_to_vec() };
    }
    let message = MessageType::find("google.protobuf.Any").unwrap();
    let mut json =
        &to_json(message, &any.encode_to_vec(), Style { names: Names::Proto, redact: false }).unwrap();
    let mut depth = 0;
    while let Some(inner) = json.get("value") {
        json = inner;
        depth += 1;
    }
    assert!(json.is_string() && depth > 90, "{depth}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_hurt_scan_and_dump(index: prop::sample::Index, wire: Vec<u8>) {
        let types: Vec<_> = MessageType::all().collect();
        let message = types[index.index(types.len())];
        let _ = weft_proto::scan::unknown_fields(message, &wire);
        let _ = to_json(message, &wire, Style { names: Names::Proto, redact: false });
    }

    #[test]
    fn no_text_hurts_the_reader(text in "[\\[\\]{}:,&*a'\"\\-?|>!%@#\n 0-9.]{0,64}") {
        let _ = text::parse_yaml::<Bootstrap>(&text);
        let _ = text::parse_yaml::<Struct>(&text);
        let _ = text::parse_json::<Struct>(&text);
    }

    #[test]
    fn no_scalar_hurts_a_field(text in "\\PC{0,24}") {
        let quoted = serde_json::Value::from(text.clone()).to_string();
        for field in ["connect_timeout", "lb_policy", "metadata", "per_connection_buffer_limit_bytes", "type"] {
            for value in [&text, &quoted] {
                let yaml = format!("{field}: {value}");
                let _ = text::parse_yaml::<weft_proto::envoy::config::cluster::v3::Cluster>(&yaml);
            }
        }
    }
}
