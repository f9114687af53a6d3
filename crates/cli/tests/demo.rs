//! `weft demo` as a new user starts it: real programs, real traffic, real YAML.

mod weft;

use std::time::{Duration, Instant};

use weft::{Weft, free_port, get, wait_for};

const TO_V3: &str = "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: reviews}\nspec:\n  \
    hosts: [reviews]\n  http:\n  - route:\n    - destination: {host: reviews, subset: v3}\n";

/// Which version of reviews answered.
fn version(reviews: &str) -> Option<&'static str> {
    ["v1", "v2", "v3"].into_iter().find(|version| reviews.contains(&format!("reviews-{version}")))
}

#[test]
fn bookinfo_runs_through_a_mesh_of_its_own_and_leaves_nothing() {
    let port = free_port();
    let mut weft = Weft::start(&["demo", "--json", "--for", "20s", "--port", &port.to_string()]);
    let first = weft.first_report();
    let dir = std::path::PathBuf::from(first["dir"].as_str().unwrap());
    assert!(dir.join("versions.yaml").is_file());
    let run_folder = weft.root().join(format!("demo-{port}"));
    assert!(run_folder.is_dir());
    let children = weft.children();
    assert_eq!(children.len(), 14, "control plane, gateway, 6 applications, 6 sidecars: {children:?}");

    // A second demo of the same user collides, loudly.
    // Bounded, should it not: then it must end by itself and fail the test.
    let second = weft.second(&["demo", "--for", "1s", "--port", &port.to_string()]);
    assert!(!second.status.success());
    let words = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(words.contains(&format!("port {port}")) && words.contains("--port"), "{words}");

    // All four services are on the page, and all versions of reviews.
    let mut seen = std::collections::BTreeSet::new();
    let start = Instant::now();
    while seen.len() < 3 {
        assert!(start.elapsed() < Duration::from_secs(10), "only {seen:?}");
        let (status, page) = get(port, "/productpage");
        assert_eq!(status, 200, "{page}");
        assert!(page.contains("The Comedy of Errors"), "{page}");
        assert!(!page.contains("Error fetching"), "{page}");
        let (status, reviews) = get(port, "/api/v1/products/0/reviews");
        assert_eq!(status, 200, "{reviews}");
        seen.insert(version(&reviews).unwrap_or_else(|| panic!("{reviews}")));
    }

    // An edit takes effect within a second.
    std::fs::write(dir.join("reviews.yaml"), TO_V3).unwrap();
    let saved = Instant::now();
    let mut v3_since = None;
    while saved.elapsed() < Duration::from_secs(4) {
        let asked = saved.elapsed();
        let (status, reviews) = get(port, "/api/v1/products/0/reviews");
        assert_eq!(status, 200, "{reviews}");
        match version(&reviews) {
            Some("v3") => {
                v3_since.get_or_insert(asked);
            }
            _ => v3_since = None,
        }
    }
    let v3_since = v3_since.expect("all requests go to v3 in the end");
    assert!(v3_since < Duration::from_secs(1), "only after {v3_since:?}");

    let ended = weft.wait(Duration::from_secs(40));
    let summary = ended.reports.last().unwrap();
    assert_eq!(summary["type"], "summary", "{}", ended.words);
    assert_eq!(ended.code, Some(0), "{summary}\n{}", ended.words);
    let rows = summary["services"].as_array().unwrap();
    assert_eq!(rows.len(), 6, "{summary}");
    for row in rows {
        assert!(row["requests"].as_u64().unwrap() > 0, "{row}");
        assert_eq!(row["success_percent"], 100.0, "{row}");
        assert_eq!(row["mtls"], "yes", "{row}");
        assert!(row["p99_ms"].as_f64().unwrap() > 0.0, "{row}");
    }
    assert!(summary["load"]["succeeded"].as_u64().unwrap() >= 100, "{summary}");

    // Nothing is left: no process, no folder; but the user's edit is kept, and said to be.
    for pid in children {
        wait_for("a child is gone", || !std::path::Path::new(&format!("/proc/{pid}")).exists());
    }
    assert!(!run_folder.exists());
    assert!(dir.join("reviews.yaml").is_file());
    assert!(ended.words.contains(&format!("weft demo --dir {}", dir.display())), "{}", ended.words);
    std::fs::remove_dir_all(dir).unwrap();
}

#[test]
fn an_interrupt_ends_everything_and_an_unchanged_folder_goes_too() {
    let port = free_port();
    let mut weft = Weft::start(&["demo", "--json", "--port", &port.to_string()]);
    let first = weft.first_report();
    let dir = std::path::PathBuf::from(first["dir"].as_str().unwrap());
    let children = weft.children();
    let start = Instant::now();
    weft.signal("INT");
    let ended = weft.wait(Duration::from_secs(20));
    assert_eq!(ended.code, Some(0), "{}", ended.words);
    assert!(start.elapsed() < Duration::from_secs(8), "{:?}", start.elapsed());
    for pid in children {
        assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists());
    }
    assert!(!dir.exists() && !weft.root().exists());
}

#[test]
fn children_that_die_are_told_of_and_started_again_and_die_with_the_demo() {
    let port = free_port();
    let mut weft = Weft::start(&["demo", "--json", "--port", &port.to_string()]);
    weft.first_report();

    // Requests go on without the control plane.
    assert!(weft::kill(weft.child(&["--state-dir"]), "KILL"));
    wait_for("a new control plane", || {
        let words = weft.words();
        words.contains("weftd was ended by signal 9") && words.contains("weftd: ready")
    });
    let load = weft.reports().last().unwrap()["load"].clone();
    assert_eq!(load["failed"], 0, "{load}");

    let killed = weft.child(&["sidecar", "reviews-v2"]);
    assert!(weft::kill(killed, "KILL"));
    wait_for("a new sidecar", || weft.words().contains("reviews-v2-sidecar was ended by signal 9"));
    wait_for("every version answers", || (0..12).all(|_| get(port, "/api/v1/products/0/reviews").0 == 200));

    let children = weft.children();
    weft.signal("KILL");
    weft.wait(Duration::from_secs(10));
    for pid in children {
        wait_for("a child is gone", || !std::path::Path::new(&format!("/proc/{pid}")).exists());
    }
    // What was left is removed by the next one.
    assert!(weft.root().join(format!("demo-{port}")).is_dir());
    let none = weft.second(&["run", "--service", "a", "--port", "1", "--", "true"]);
    assert!(String::from_utf8_lossy(&none.stderr).contains("no mesh runs"), "{none:?}");
    assert!(!weft.root().join(format!("demo-{port}")).exists());
}
