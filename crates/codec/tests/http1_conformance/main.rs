//! Raw bytes against the HTTP/1.x codec: the tables `requests.txt` and `responses.txt`.
//!
//! Each case is fed whole and then byte by byte; both must tell the same. Where the verdict differs
//! from the one that Envoy gave, the table must say why.

mod table;
mod transcript;

use table::Case;
use weft_codec::Limits;
use weft_codec::http1::DEFAULT_RESPONSE_HEAD_BYTES;

const REQUESTS: &str = include_str!("requests.txt");
const RESPONSES: &str = include_str!("responses.txt");

fn limits(case: &Case) -> Limits {
    if case.options {
        Limits {
            accept_http10: true,
            default_host_for_http10: "fallback".into(),
            allow_chunked_length: true,
            http1_trailers: true,
            ..Limits::default()
        }
    } else {
        Limits::default()
    }
}

/// Runs every case of a table, then complains about all failures at once.
fn check(text: &str, run: impl Fn(&Case, usize) -> String, refused: impl Fn(&str) -> Option<String>) {
    let cases = table::read(text);
    let mut failures = vec![String::new()];
    for case in &cases {
        let whole = run(case, usize::MAX);
        if whole != case.out {
            failures.push(format!("case {}\n  out:  {}\n  told: {whole}", case.name, case.out));
        }
        // Heads of 60 KiB byte by byte would only try our patience.
        let piece = if case.input.len() > 5000 { 997 } else { 1 };
        let dropwise = run(case, piece);
        if dropwise != whole {
            failures.push(format!("case {}\n  whole: {whole}\n  drops: {dropwise}", case.name));
        }
        let differs = refused(&case.envoy) != refused(&whole);
        if differs != case.note.is_some() {
            let note = case.note.as_deref().unwrap_or("no note");
            failures.push(format!("case {}\n  told: {whole}\n  Envoy: {} ({note})", case.name, case.envoy));
        }
    }
    assert!(failures.len() == 1, "{} of {} cases:\n{}", failures.len() - 1, cases.len(), failures.join("\n"));
}

/// The codec's refusal in a transcript, or in what Envoy did: `STATUS word`.
fn refused_request(verdict: &str) -> Option<String> {
    let last = verdict.rsplit(" | ").next().unwrap_or_default();
    last.starts_with(|c: char| c.is_ascii_digit()).then(|| last.to_owned())
}

/// Whether an upstream's bytes were refused (UPE), cut off (UC) or taken.
fn refused_response(verdict: &str) -> Option<String> {
    let last = verdict.rsplit(" | ").next().unwrap_or_default();
    match last {
        "UPE" | "reset Protocol" => Some("UPE".into()),
        _ if last.starts_with("refused") => Some("UPE".into()),
        "UC" | "reset ConnectionClosed" => Some("UC".into()),
        _ => None,
    }
}

#[test]
fn requests() {
    check(REQUESTS, |case, piece| transcript::of_request(&case.input, piece, limits(case)), refused_request);
}

#[test]
fn responses() {
    check(
        RESPONSES,
        |case, piece| {
            let limits = Limits { max_head_bytes: DEFAULT_RESPONSE_HEAD_BYTES, ..Limits::default() };
            transcript::of_response(&case.input, piece, case.asked, limits)
        },
        refused_response,
    );
}

#[test]
fn the_tables_are_of_use() {
    let (requests, responses) = (table::read(REQUESTS), table::read(RESPONSES));
    assert!(requests.len() >= 200 && responses.len() >= 80);
    let stricter = requests.iter().chain(&responses).filter(|case| case.note.is_some()).count();
    assert!(stricter * 5 < requests.len() + responses.len(), "{stricter} differences are too many");
}
