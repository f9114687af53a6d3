//! Routing examples copied into the demo's folder do what they say, one after the other, without a restart:
//! our own, and Istio's Bookinfo files where they lie beside this repository.
#![allow(clippy::print_stderr, reason = "a test says what it did not try")]
#![allow(clippy::unwrap_used, reason = "helpers of a test")]

mod weft;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use weft::{Weft, free_port, get_as};

/// Istio's files, if they are there.
const ISTIO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data/bookinfo/networking");

/// What one file does: versions of reviews for anybody and for jason, and the status of details.
struct Example {
    file: &'static str,
    anybody: &'static [&'static str],
    jason: &'static [&'static str],
    details: u16,
}

const fn example(
    file: &'static str,
    anybody: &'static [&'static str],
    jason: &'static [&'static str],
    details: u16,
) -> Example {
    Example { file, anybody, jason, details }
}

const ALL: &[&str] = &["v1", "v2", "v3"];
const EXAMPLES: [Example; 12] = [
    example("destination-rule-all.yaml", ALL, ALL, 200),
    example("destination-rule-all-mtls.yaml", ALL, ALL, 200),
    example("virtual-service-all-v1.yaml", &["v1"], &["v1"], 200),
    example("virtual-service-reviews-test-v2.yaml", &["v1"], &["v2"], 200),
    example("virtual-service-reviews-jason-v2-v3.yaml", &["v3"], &["v2"], 200),
    example("virtual-service-reviews-v3.yaml", &["v3"], &["v3"], 200),
    example("virtual-service-reviews-50-v3.yaml", &["v1", "v3"], &["v1", "v3"], 200),
    example("virtual-service-reviews-v2-v3.yaml", &["v2", "v3"], &["v2", "v3"], 200),
    example("virtual-service-reviews-80-20.yaml", &["v1", "v2"], &["v1", "v2"], 200),
    example("fault-injection-details-v1.yaml", ALL, ALL, 555),
    example("virtual-service-details-v2.yaml", ALL, ALL, 503),
    example("bookinfo-gateway.yaml", ALL, ALL, 200),
];

/// Our own: jason to v2, everybody else to v3; and details answer 555.
const OWN: (&str, Example) = (
    "apiVersion: networking.istio.io/v1alpha3\nkind: VirtualService\nmetadata: {name: reviews}\nspec:\n  \
     hosts: [reviews]\n  http:\n  - match: [{headers: {end-user: {exact: jason}}}]\n    \
     route: [{destination: {host: reviews, subset: v2}}]\n  - route: [{destination: {host: reviews, subset: v3}}]\n\
     ---\n\
     apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: details}\nspec:\n  \
     hosts: [details]\n  http:\n  - fault: {abort: {httpStatus: 555, percentage: {value: 100}}}\n    \
     route: [{destination: {host: details}}]\n",
    example("own.yaml", &["v3"], &["v2"], 555),
);

#[test]
fn every_example_does_what_it_says() {
    let port = free_port();
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().to_str().unwrap();
    let mut weft =
        Weft::start(&["demo", "--dir", folder, "--json", "--rate", "0", "--port", &port.to_string()]);
    weft.first_report();
    let (text, own) = OWN;
    check(dir.path(), text, &own, port);
    if !Path::new(ISTIO).is_dir() {
        eprintln!("{} of Istio's files are not tried: {ISTIO} is not there", EXAMPLES.len());
    } else {
        for example in &EXAMPLES {
            let text = std::fs::read_to_string(Path::new(ISTIO).join(example.file)).unwrap();
            check(dir.path(), &text, example, port);
        }
    }
    weft.signal("INT");
    let ended = weft.wait(Duration::from_secs(20));
    assert_eq!(ended.code, Some(0), "{}", ended.words);
    assert!(dir.path().join("versions.yaml").is_file(), "the user's folder stays");
}

/// Puts the file in, sees what it does, takes it out, and sees that all is as before.
fn check(dir: &Path, text: &str, example: &Example, port: u16) {
    std::fs::write(dir.join(example.file), text).unwrap();
    let comes_to = |wanted: &Example| {
        let start = Instant::now();
        loop {
            let seen = (versions(port, None, 12), versions(port, Some("jason"), 6), details(port));
            let within = |seen: &BTreeSet<String>, wanted: &[&str]| {
                seen.iter().map(String::as_str).eq(wanted.iter().copied())
            };
            if within(&seen.0, wanted.anybody) && within(&seen.1, wanted.jason) && seen.2 == wanted.details {
                return;
            }
            assert!(start.elapsed() < Duration::from_secs(5), "{}: {seen:?}", wanted.file);
        }
    };
    comes_to(example);
    std::fs::remove_file(dir.join(example.file)).unwrap();
    let start = Instant::now();
    while versions(port, None, 16).len() < ALL.len() || details(port) != 200 {
        assert!(start.elapsed() < Duration::from_secs(5), "{}: still in force", example.file);
    }
}

fn versions(port: u16, user: Option<&str>, times: usize) -> BTreeSet<String> {
    let version = |_| {
        let (status, body) = get_as(port, "/api/v1/products/0/reviews", user);
        let found = ALL.iter().find(|version| body.contains(&format!("reviews-{version}")));
        found.map_or_else(|| format!("{status} {body}"), |version| (*version).to_owned())
    };
    (0..times).map(version).collect()
}

fn details(port: u16) -> u16 {
    get_as(port, "/api/v1/products/0", None).0
}
