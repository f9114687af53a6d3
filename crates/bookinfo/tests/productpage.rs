//! The page, its API and its sessions, as a browser meets them.

mod running;

use std::time::{Duration, Instant};

use running::{Running, StandIn, header};
use serde_json::json;

const LOOPBACK: &str = "127.0.0.1";

/// A product page in front of given ports.
fn productpage(details: &str, reviews: &str, ratings: &str, more: &[&str]) -> Running {
    let fixed = [
        "productpage",
        "--details-hostname",
        LOOPBACK,
        "--details-port",
        details,
        "--reviews-hostname",
        LOOPBACK,
        "--reviews-port",
        reviews,
        "--ratings-hostname",
        LOOPBACK,
        "--ratings-port",
        ratings,
    ];
    Running::start(&[&fixed, more].concat())
}

/// All four, reviews in one version.
fn bookinfo(version: &str) -> [Running; 4] {
    let (details, ratings) = (Running::start(&["details"]), Running::start(&["ratings"]));
    let port = ratings.port();
    let reviews = Running::start(&[
        "reviews",
        "--version",
        version,
        "--ratings-hostname",
        LOOPBACK,
        "--ratings-port",
        &port,
        "--pod-name",
        "reviews-<7>",
    ]);
    let page = productpage(&details.port(), &reviews.port(), &port, &[]);
    [page, details, reviews, ratings]
}

#[test]
fn the_page_shows_the_book_and_stars_by_version() {
    for (version, stars) in [("v1", None), ("v2", Some("stars black")), ("v3", Some("stars red"))] {
        let [page, _details, _reviews, _ratings] = bookinfo(version);
        let answer = page.get("/productpage?u=normal");
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
        assert!(answer.header("content-security-policy").unwrap().starts_with("default-src 'none'"));
        let body = &answer.body;
        for part in [
            "<title>Simple Bookstore App</title>",
            "<h1>The Comedy of Errors</h1>",
            "William Shakespeare",
            "<th scope=\"row\">Publisher</th><td>PublisherA</td>",
            "Book Reviews",
            "Reviews served by: <b>reviews-&lt;7&gt;</b>",
            "action=\"/login\"",
        ] {
            assert!(body.contains(part), "no {part} in {body}");
        }
        assert!(!body.contains("Error fetching"), "{body}");
        assert_eq!(body.matches("★").count(), if stars.is_some() { 9 } else { 0 }, "{version}");
        assert_eq!(body.matches("class=\"stars").count(), stars.map_or(0, |_| 2));
        assert_eq!(body.matches(stars.unwrap_or("class=\"stars")).count(), stars.map_or(0, |_| 2), "{body}");
    }
}

#[test]
fn the_api_gives_what_the_services_give() {
    let [page, details, reviews, ratings] = bookinfo("v2");
    assert_eq!(page.get("/health").body, "Product page is healthy");
    let products = page.get("/api/v1/products").json();
    assert_eq!(products.as_array().unwrap().len(), 1);
    assert_eq!((&products[0]["id"], &products[0]["title"]), (&json!(0), &json!("The Comedy of Errors")));
    assert!(products[0]["descriptionHtml"].is_string());
    assert_eq!(page.get("/api/v1/products/0").json(), details.get("/details/0").json());
    assert_eq!(page.get("/api/v1/products/4").json()["id"], 4);
    assert_eq!(page.get("/api/v1/products/0/reviews").json(), reviews.get("/reviews/0").json());
    assert_eq!(page.get("/api/v1/products/0/ratings").json(), ratings.get("/ratings/0").json());
    for (path, status) in [
        ("/", 200),
        ("/index.html", 200),
        ("/nothing", 404),
        ("/api/v1/products/0/stars", 404),
        ("/api/v1/products/x", 400),
        ("/api/v1/products/..%2Fhealth/reviews", 400),
        ("/login", 405),
    ] {
        assert_eq!(page.get(path).status, status, "{path}");
    }
}

#[test]
fn a_signed_in_user_is_named_downstream() {
    let service = StandIn::answering("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}");
    let port = service.port();
    let page = productpage(&port, &port, &port, &[]);
    let signed_in = page.post("/login", "username=jason&passwd=x");
    assert_eq!((signed_in.status, signed_in.header("location")), (302, Some("/productpage")));
    let cookie = signed_in.header("set-cookie").unwrap();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"), "{cookie}");
    let session = cookie.split(';').next().unwrap();

    let headers = format!("cookie: a=b; {session}\r\nend-user: mallory\r\nx-request-id: 17\r\n");
    assert!(page.get_with("/productpage", &headers).body.contains("Signed in as <b>jason</b>"));
    let heads = service.heads();
    let paths: Vec<_> = heads.iter().map(|head| head.lines().next().unwrap()).collect();
    assert_eq!(paths, ["GET /details/0 HTTP/1.1", "GET /reviews/0 HTTP/1.1"]);
    for head in &heads {
        assert_eq!(head.matches("end-user").count(), 1, "{head}");
        assert_eq!(header(head, "end-user"), Some("jason"));
        assert_eq!(header(head, "x-request-id"), Some("17"));
    }

    let signed_out = page.get_with("/logout", &format!("cookie: {session}\r\n"));
    assert_eq!(signed_out.status, 302);
    assert!(signed_out.header("set-cookie").unwrap().contains("session=; "));
    page.get_with("/productpage", "end-user: mallory\r\n");
    assert!(service.heads().iter().all(|head| !head.contains("end-user")));
}

#[test]
fn names_are_text_and_never_markup() {
    let page = productpage("1", "1", "1", &[]);
    let signed_in = page.post("/login", "username=%3Cscript%3Ealert(1)%3C%2Fscript%3E%22%27%26");
    let session = signed_in.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    let body = page.get_with("/productpage", &format!("cookie: {session}\r\n")).body;
    assert!(body.contains("<b>&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&amp;</b>"), "{body}");
    assert!(!body.contains("<script"), "{body}");
    let too_long = format!("username={}", "x".repeat(65));
    for bad in ["", "user=jason", "username=", "username=+", "username=a%0D%0Ab", &too_long] {
        let answer = page.post("/login", bad);
        assert_eq!((answer.status, answer.header("set-cookie")), (400, None), "{bad}");
    }
    let forged = page.get_with("/productpage", "cookie: session=a%0D%0Aevil:%201\r\n");
    assert!(!forged.body.contains("Signed in"));
}

#[test]
fn the_page_gives_up_on_details_once_and_on_reviews_twice() {
    let (details, reviews) = (StandIn::stalling(), StandIn::stalling());
    let page = productpage(&details.port(), &reviews.port(), "1", &["--page-timeout", "0.4"]);
    let start = Instant::now();
    let answer = page.get("/productpage");
    let waited = start.elapsed();
    assert_eq!(answer.status, 200);
    for what in ["details", "reviews"] {
        assert!(answer.body.contains(&format!("Error fetching product {what}!")), "{}", answer.body);
        let sorry = format!("Sorry, product {what} are currently unavailable for this book.");
        assert!(answer.body.contains(&sorry), "{}", answer.body);
    }
    assert_eq!((details.heads().len(), reviews.heads().len()), (1, 2));
    assert!((1150..2500).contains(&waited.as_millis()), "{waited:?}");
}

#[test]
fn the_real_patience_with_reviews_is_six_seconds() {
    let (details, reviews) = (Running::start(&["details"]), StandIn::stalling());
    let page = productpage(&details.port(), &reviews.port(), "1", &[]);
    let start = Instant::now();
    let answer = page.get("/api/v1/products/0/reviews");
    assert_eq!(answer.status, 500);
    let sorry = "Sorry, product reviews are currently unavailable for this book.";
    assert_eq!(answer.json(), json!({ "error": sorry }));
    let (waited, six) = (start.elapsed(), Duration::from_secs(6));
    assert!(waited >= six - Duration::from_millis(50) && waited < six + Duration::from_secs(2), "{waited:?}");
}

#[test]
fn the_api_passes_on_the_status_of_a_service_that_fails() {
    let failing = StandIn::answering("HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n");
    let page = productpage(&failing.port(), &failing.port(), "1", &[]);
    assert_eq!(page.get("/api/v1/products/0").status, 503);
    assert_eq!(page.get("/api/v1/products/0/reviews").status, 503);
    assert_eq!(failing.heads().len(), 3, "reviews is asked twice");
    assert_eq!(page.get("/api/v1/products/0/ratings").status, 500, "nobody answered");
}
