//! `weft up` over a folder of the user's, and programs that join it by `weft run`.

mod weft;

use std::io::Read as _;
use std::path::Path;
use std::time::Duration;

use weft::{Weft, children_of, free_port, get, kill, program, wait_for};

/// Every path from outside goes to the Service `shop`.
const INGRESS: &str = "apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: all}\nspec:\n  \
    selector: {istio: ingressgateway}\n  servers:\n  - port: {number: 80, name: http, protocol: HTTP}\n    \
    hosts: ['*']\n---\n\
    apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: all}\nspec:\n  hosts: ['*']\n  \
    gateways: [all]\n  http:\n  - route:\n    - destination: {host: shop, port: {number: 9080}}\n";

#[test]
fn a_program_joins_serves_and_leaves() {
    let port = free_port();
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("ingress.yaml"), INGRESS).unwrap();
    let folder = dir.path().to_str().unwrap();
    let mut up = Weft::start(&["up", folder, "--json", "--port", &port.to_string()]);
    up.first_report();
    let objects = up.root().join("default/objects");
    let join = ["run", "--service", "shop", "--label", "version=v1", "--port", "9080", "--"];
    let bookinfo = program("weft-bookinfo").display().to_string();

    // A program that takes HOST and PORT from its environment; the Service is made for it.
    let mut joined = up.beside(&[&join[..], &[&bookinfo, "details"]].concat());
    wait_for("details through the ingress", || get(port, "/details/0").0 == 200);
    assert!(objects.join("service-shop.json").is_file());
    let (status, body) = get(port, "/details/0");
    assert!(status == 200 && body.contains("\"id\":0"), "{body}");
    wait_for("a row of the view", || {
        let reports = up.reports();
        let row = reports.last().and_then(|report| report["services"].get(0).cloned()).unwrap_or_default();
        row["service"] == "shop" && row["version"] == "v1" && row["mtls"] == "yes"
    });
    let processes = children_of(joined.id());
    assert_eq!(processes.len(), 2, "sidecar and program");
    assert!(kill(joined.id(), "TERM"));
    let status = joined.wait().unwrap();
    assert_eq!(status.code(), Some(0), "the program ends with 0 at SIGTERM");
    assert!(processes.iter().all(|pid| !Path::new(&format!("/proc/{pid}")).exists()));
    assert!(!objects.join("service-shop.json").exists());
    wait_for("nobody behind the ingress", || {
        get(port, "/details/0").0 == 503 || get(port, "/details/0").0 == 404
    });

    // Its exit code is ours.
    let ended = up.second(&[&join[..], &["/bin/sh", "-c", "exit 7"]].concat());
    assert_eq!(ended.status.code(), Some(7), "{ended:?}");
    let ended = up.second(&[&join[..], &["/nowhere/program"]].concat());
    assert_eq!(ended.status.code(), Some(127), "{ended:?}");

    // One that everybody can reach is refused, and ended.
    let wildcard = [&bookinfo[..], "details", "--host", "0.0.0.0", "--wildcard"];
    let refused = up.second(&[&join[..], &wildcard].concat());
    let words = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1), "{words}");
    assert!(words.contains("refused: process") && words.contains("listens on 0.0.0.0:"), "{words}");

    // The mesh's end is the end of who is in it.
    let mut last = up.beside(&[&join[..], &[&bookinfo, "details"]].concat());
    wait_for("details through the ingress", || get(port, "/details/0").0 == 200);
    up.signal("TERM");
    assert_eq!(up.wait(Duration::from_secs(20)).code, Some(0));
    assert_eq!(last.wait().unwrap().code(), Some(1));
    let mut words = String::new();
    last.stderr.take().unwrap().read_to_string(&mut words).unwrap();
    assert!(words.contains("the mesh has ended"), "{words}");
    assert!(!up.root().exists());
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "the user's folder is as it was");
}
