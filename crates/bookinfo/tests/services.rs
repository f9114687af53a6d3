//! The four services' paths and JSON, called as a neighbour would.

mod running;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use running::{Running, StandIn, header, program};
use serde_json::json;

const LOOPBACK: &str = "127.0.0.1";

fn reviews(version: &str, ratings_port: &str, more: &[&str]) -> Running {
    let fixed =
        ["reviews", "--version", version, "--ratings-hostname", LOOPBACK, "--ratings-port", ratings_port];
    Running::start(&[&fixed, more].concat())
}

#[test]
fn details_gives_the_book() {
    let details = Running::start(&["details"]);
    assert_eq!(details.get("/health").json(), json!({ "status": "Details is healthy" }));
    let answer = details.get("/details/7");
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(
        answer.json(),
        json!({
            "id": 7, "author": "William Shakespeare", "year": 1595, "type": "paperback", "pages": 200,
            "publisher": "PublisherA", "language": "English",
            "ISBN-10": "1234567890", "ISBN-13": "123-1234567890",
        })
    );
    for bad in ["/details/x", "/details/-1", "/details/99999999999", "/details/%00"] {
        let answer = details.get(bad);
        assert_eq!(answer.status, 400, "{bad}");
        assert_eq!(answer.json(), json!({ "error": "please provide numeric product ID" }), "{bad}");
    }
    for unknown in ["/", "/details", "/details/", "/details/1/2", "/ratings/0", "/productpage"] {
        assert_eq!(details.get(unknown).status, 404, "{unknown}");
    }
}

#[test]
fn ratings_remembers_what_it_is_told() {
    let ratings = Running::start(&["ratings"]);
    assert_eq!(ratings.get("/health").json(), json!({ "status": "Ratings is healthy" }));
    let first = json!({ "id": 0, "ratings": { "Reviewer1": 5, "Reviewer2": 4 } });
    assert_eq!(ratings.get("/ratings/0").json(), first);
    let told = json!({ "id": 0, "ratings": { "Reviewer1": 1, "Reviewer3": 2 } });
    let answer = ratings.post("/ratings/0", r#"{"Reviewer1": 1, "Reviewer3": 2}"#);
    assert_eq!((answer.status, answer.json()), (200, told.clone()));
    assert_eq!(ratings.get("/ratings/0").json(), told);
    assert_eq!(ratings.get("/ratings/1").json()["ratings"], first["ratings"]);
    for bad in ["", "stars", "[5]", r#"{"Reviewer1": "<b>"}"#] {
        let answer = ratings.post("/ratings/0", bad);
        assert_eq!(answer.status, 400, "{bad}");
        assert_eq!(answer.json(), json!({ "error": "please provide valid ratings JSON" }), "{bad}");
    }
    assert_eq!(ratings.post("/ratings/x", "{}").status, 400);
    assert_eq!(ratings.post("/ratings/0", &" ".repeat(70_000)).status, 413);
    assert_eq!(ratings.get("/ratings/0").json(), told);
}

#[test]
fn ratings_holds_a_bounded_number_of_products() {
    let ratings = Running::start(&["ratings"]);
    for id in 0..1000 {
        assert_eq!(ratings.post(&format!("/ratings/{id}"), "{}").status, 200);
    }
    assert_eq!(ratings.post("/ratings/1000", "{}").status, 507);
    assert_eq!(ratings.post("/ratings/999", "{}").status, 200);
}

#[test]
fn reviews_has_stars_by_version() {
    let ratings = Running::start(&["ratings"]);
    for (version, color) in [("v1", None), ("v2", Some("black")), ("v3", Some("red"))] {
        let reviews = reviews(version, &ratings.port(), &[]);
        assert_eq!(reviews.get("/health").json(), json!({ "status": "Reviews is healthy" }));
        let answer = reviews.get("/reviews/0").json();
        assert_eq!(answer["id"], "0");
        assert_eq!(answer["podname"], format!("reviews-{version}"));
        assert_eq!(answer["clustername"], "null");
        let list = answer["reviews"].as_array().unwrap();
        assert_eq!(list.len(), 2);
        for (review, (reviewer, stars)) in list.iter().zip([("Reviewer1", 5), ("Reviewer2", 4)]) {
            assert_eq!(review["reviewer"], reviewer);
            assert!(review["text"].as_str().unwrap().len() > 20);
            let rating = color.map(|color| json!({ "stars": stars, "color": color }));
            assert_eq!(review.get("rating"), rating.as_ref(), "{version}");
        }
        assert_eq!(reviews.get("/reviews/x").status, 400);
    }
}

#[test]
fn reviews_does_without_ratings_that_fail() {
    let broken = [
        StandIn::answering("HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n"),
        StandIn::answering("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{\"rating"),
        StandIn::answering("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n[1]"),
        StandIn::answering("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{]"),
        StandIn::answering("HTTP/1.1 200 OK\r\ncontent-length: 99999999\r\n\r\n"),
        StandIn::answering("nonsense\r\n\r\n"),
        StandIn::answering(""),
    ];
    let nobody = "1".to_owned();
    for port in broken.iter().map(StandIn::port).chain([nobody]) {
        let answer = reviews("v2", &port, &[]).get("/reviews/0");
        assert_eq!(answer.status, 200);
        for review in answer.json()["reviews"].as_array().unwrap() {
            assert_eq!(review["rating"], json!({ "error": "Ratings service is currently unavailable" }));
        }
    }
}

#[test]
fn reviews_v3_waits_for_ratings_two_and_a_half_seconds() {
    let ratings = StandIn::stalling();
    let reviews = reviews("v3", &ratings.port(), &[]);
    let start = Instant::now();
    let answer = reviews.get("/reviews/0").json();
    let waited = start.elapsed();
    assert!(answer["reviews"][0]["rating"]["error"].is_string(), "{answer}");
    assert!((2400..3200).contains(&waited.as_millis()), "{waited:?}");
}

#[test]
fn reviews_passes_on_traces_and_the_user_and_nothing_else() {
    let ratings = StandIn::answering("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}");
    let reviews = reviews("v2", &ratings.port(), &["--services-domain", ""]);
    let passed = [
        "x-request-id",
        "b3",
        "x-b3-traceid",
        "x-b3-spanid",
        "x-b3-parentspanid",
        "x-b3-sampled",
        "x-b3-flags",
        "traceparent",
        "tracestate",
        "x-ot-span-context",
        "x-datadog-trace-id",
        "x-datadog-parent-id",
        "x-datadog-sampling-priority",
        "x-cloud-trace-context",
        "grpc-trace-bin",
        "sw8",
        "end-user",
        "user-agent",
        "cookie",
        "authorization",
        "jwt",
    ];
    let mut lines: String = passed.iter().map(|name| format!("{name}: value of {name}\r\n")).collect();
    lines += "x-other: 1\r\nx-forwarded-for: 1\r\n";
    assert_eq!(reviews.get_with("/reviews/3", &lines).status, 200);
    let heads = ratings.heads();
    let [head] = &heads[..] else { panic!("{heads:?}") };
    assert!(head.starts_with("GET /ratings/3 HTTP/1.1\n"), "{head}");
    assert_eq!(header(head, "host"), Some(format!("127.0.0.1:{}", ratings.port())).as_deref());
    for name in passed {
        assert_eq!(header(head, name), Some(format!("value of {name}")).as_deref());
    }
    assert!(!head.contains("x-other") && !head.contains("x-forwarded-for"), "{head}");
}

#[test]
fn a_proxy_is_asked_in_absolute_form() {
    let sidecar =
        StandIn::answering("HTTP/1.1 200 OK\r\ncontent-length: 29\r\n\r\n{\"ratings\": {\"Reviewer2\": 2}}");
    // all by environment, as a sidecar's launcher would
    let mut command = program(&["reviews"]);
    command.envs([
        ("SERVICE_VERSION", "v3"),
        ("HOST", LOOPBACK),
        ("PORT", "0"),
        ("HOSTNAME", "reviews-v3-abc"),
        ("CLUSTER_NAME", "east"),
        ("RATINGS_HOSTNAME", "stars"),
        ("RATINGS_SERVICE_PORT", "81"),
        ("SERVICES_DOMAIN", "books.svc"),
        ("http_proxy", &format!("http://{}", sidecar.address)),
    ]);
    let reviews = Running::spawn(&mut command);
    let answer = reviews.get("/reviews/0").json();
    assert_eq!((&answer["podname"], &answer["clustername"]), (&json!("reviews-v3-abc"), &json!("east")));
    assert!(answer["reviews"][0]["rating"]["error"].is_string());
    assert_eq!(answer["reviews"][1]["rating"], json!({ "stars": 2, "color": "red" }));
    let heads = sidecar.heads();
    assert!(heads[0].starts_with("GET http://stars.books.svc:81/ratings/0 HTTP/1.1\n"), "{heads:?}");
    assert_eq!(header(&heads[0], "host"), Some("stars.books.svc:81"));
}

#[test]
fn a_request_under_way_is_answered_after_sigterm() {
    let ratings = StandIn::stalling();
    let reviews = reviews("v2", &ratings.port(), &["--ratings-timeout", "0.6"]);
    let mut idle = TcpStream::connect(reviews.address).unwrap();
    let mut stream = TcpStream::connect(reviews.address).unwrap();
    stream.write_all(b"GET /reviews/0 HTTP/1.1\r\nhost: t\r\n\r\n").unwrap();
    std::thread::sleep(Duration::from_millis(200));
    reviews.terminate();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert_eq!(reviews.wait(), Some(0));
    assert_eq!(idle.read(&mut [0]).unwrap_or(0), 0);
}

#[test]
fn what_cannot_start_says_why() {
    let taken = Running::start(&["details"]);
    let port = taken.port();
    for (arguments, reason) in [
        (&["details", "--host", "0.0.0.0", "--port", "0"][..], "--wildcard"),
        (&["details", "--host", "::", "--port", "0"], "--wildcard"),
        (&["details", "--host", "::ffff:0.0.0.0", "--port", "0"], "--wildcard"),
        (&["ratings", "--version", "v2", "--port", "0"], "a database"),
        (&["details", "--version", "v2", "--port", "0"], "on the internet"),
        (&["details", "--port", &port], &format!("cannot listen on 127.0.0.1:{port}")),
    ] {
        let output = program(arguments).output().unwrap();
        assert!(!output.status.success(), "{arguments:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains(reason), "{arguments:?}: {said}");
    }
    let all = Running::start(&["details", "--host", "0.0.0.0", "--wildcard"]);
    assert!(all.address.ip().is_unspecified());
}
