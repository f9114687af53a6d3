//! Reading of the case tables; their form is described at their start.

const DIFFERENCES: &str = include_str!("../../../../docs/differences.md");

/// What the request was that a response answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Asked {
    #[default]
    Get,
    Head,
    Connect,
    Upgrade,
}

/// One case.
#[derive(Debug, Default)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) input: Vec<u8>,
    pub(crate) asked: Asked,
    pub(crate) options: bool,
    pub(crate) out: String,
    pub(crate) note: Option<String>,
    pub(crate) envoy: String,
}

pub(crate) fn read(text: &str) -> Vec<Case> {
    text.split("\n\n")
        .filter(|block| block.lines().any(|line| line.starts_with("case: ")))
        .map(read_case)
        .collect()
}

fn read_case(block: &str) -> Case {
    let mut case = Case::default();
    for line in block.lines().filter(|line| !line.starts_with('#')) {
        let (key, value) = line.split_once(':').unwrap_or_else(|| panic!("line without key: {line}"));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match key {
            "case" => case.name = value.to_owned(),
            "in" => case.input = unescape(&repeat(value)),
            "asked" => {
                case.asked = match value {
                    "HEAD" => Asked::Head,
                    "CONNECT" => Asked::Connect,
                    "upgrade" => Asked::Upgrade,
                    other => panic!("asked {other}"),
                }
            }
            "options" => case.options = true,
            "out" => case.out = value.to_owned(),
            "stricter" => {
                let heading = format!("\n## {value} ");
                assert!(DIFFERENCES.contains(&heading), "{}: no entry {value}", case.name);
                case.note = Some(value.to_owned());
            }
            "differs" => case.note = Some(value.to_owned()),
            "envoy" => case.envoy = value.to_owned(),
            other => panic!("key {other}"),
        }
    }
    assert!(!case.envoy.is_empty(), "{}: no line of Envoy's", case.name);
    case
}

/// Writes `{N*text}` out. Other braces stay.
fn repeat(text: &str) -> String {
    let Some((before, rest)) = text.split_once('{') else { return text.to_owned() };
    let parts = rest.split_once('}').and_then(|(inside, after)| {
        let (count, piece) = inside.split_once('*')?;
        Some((piece.repeat(count.parse().ok()?), after))
    });
    match parts {
        Some((written, after)) => format!("{before}{written}{}", repeat(after)),
        None => format!("{before}{{{}", repeat(rest)),
    }
}

fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        bytes.push(match (c, c == '\\') {
            (c, false) => u8::try_from(c).expect("tables are ASCII"),
            (_, true) => match rest.next().expect("escape") {
                'r' => b'\r',
                'n' => b'\n',
                't' => b'\t',
                '\\' => b'\\',
                'x' => {
                    let digits: String = rest.by_ref().take(2).collect();
                    u8::from_str_radix(&digits, 16).expect("two hexadecimal digits")
                }
                other => panic!("escape {other}"),
            },
        });
    }
    bytes
}
