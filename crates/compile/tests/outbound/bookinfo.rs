//! Istio's Bookinfo files: what each does to calls, by our tables. Those beside the repository are used
//! where they are there; the same behaviour is tested on fixtures of our own in `rules`.

use std::path::{Path, PathBuf};

use weft_compile::{Capabilities, compile};
use weft_simulate::Call;

use crate::envoy;
use crate::world::{self, BOOKINFO, World, request};

fn sample() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(3)?;
    Some(root.join("shared/data/bookinfo/networking")).filter(|path| path.is_dir())
}

fn world(files: &[&str], proxy: &weft_compile::Proxy) -> Option<World> {
    let sample = sample()?;
    let read = |file: &&str| std::fs::read_to_string(sample.join(file)).unwrap();
    let texts: Vec<String> = files.iter().map(read).collect();
    let mut all = vec![BOOKINFO];
    all.extend(texts.iter().map(String::as_str));
    Some(World::new(&all, proxy))
}

const RULES: &str = "destination-rule-all.yaml";

#[test]
fn every_file_compiles_and_both_proxies_take_it() {
    let Some(sample) = sample() else { return };
    let mut seen = 0;
    for entry in std::fs::read_dir(sample).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        if weft_api::decode(&text, "x").iter().any(|decoded| decoded.object.is_none()) {
            continue; // Kinds of others, such as cert-manager's.
        }
        let mesh = world::mesh(&[BOOKINFO, &text]);
        for proxy in
            [world::sidecar(Capabilities::PLAIN), world::gateway(Capabilities::PLAIN), world::embedded()]
        {
            let set = compile(&mesh, &proxy);
            _ = world::tables(&set);
            if proxy.capabilities == Capabilities::PLAIN {
                envoy::takes(&set);
            }
        }
        seen += 1;
    }
    assert!(seen > 15, "{seen}");
}

#[test]
fn calls_go_where_the_files_say() {
    let sidecar = world::sidecar(Capabilities::WEFT);
    let reviews = |files: &[&str], headers: &[(&str, &str)]| {
        world(files, &sidecar).map(|w| w.get("0.0.0.0_9080", "reviews:9080", "/reviews/0", headers))
    };
    let Some(v1) = reviews(&[RULES, "virtual-service-all-v1.yaml"], &[]) else { return };
    assert_eq!(v1, "outbound|9080|v1|reviews.default.svc.cluster.local");
    let jason = [("end-user", "jason")];
    let test = &[RULES, "virtual-service-reviews-test-v2.yaml"];
    assert_eq!(reviews(test, &jason).unwrap(), "outbound|9080|v2|reviews.default.svc.cluster.local");
    assert_eq!(reviews(test, &[]).unwrap(), "outbound|9080|v1|reviews.default.svc.cluster.local");
    // Without its DestinationRule a subset is nothing.
    assert_eq!(reviews(&["virtual-service-all-v1.yaml"], &[]).unwrap(), "503 NC");
    // A subset whose pods are not there is empty.
    let ratings = world(&[RULES, "virtual-service-ratings-db.yaml"], &sidecar).unwrap();
    assert_eq!(ratings.get("0.0.0.0_9080", "ratings:9080", "/ratings/0", &[]), "503 UH");
    let details = world(&[RULES, "virtual-service-details-v2.yaml"], &sidecar).unwrap();
    assert_eq!(details.get("0.0.0.0_9080", "details:9080", "/details/0", &[]), "503 UH");
}

#[test]
fn weights_and_faults_are_what_the_files_say() {
    let sidecar = world::sidecar(Capabilities::PLAIN);
    for (file, low, high) in [
        ("virtual-service-reviews-80-20.yaml", 1529, 1671),
        ("virtual-service-reviews-90-10.yaml", 1747, 1853),
    ] {
        let Some(world) = world(&[RULES, file], &sidecar) else { return };
        let call = Call::http("0.0.0.0_9080", request("reviews:9080", "/reviews/0", &[]));
        let v1 = (0..2000).filter(|seed| world::said(&world.judge(&call, *seed * 7919 + 1)).contains("|v1|"));
        let v1 = v1.count();
        assert!((low..=high).contains(&v1), "{file}: {v1} of 2000");
    }
    let jason = [("end-user", "jason")];
    let call = |headers| Call::http("0.0.0.0_9080", request("ratings:9080", "/ratings/0", headers));
    let delay = world(&[RULES, "virtual-service-ratings-test-delay.yaml"], &sidecar).unwrap();
    assert_eq!(delay.judge(&call(&jason), 1).delay.as_secs(), 7);
    assert_eq!(delay.judge(&call(&[]), 1).delay.as_secs(), 0);
    let abort = world(&[RULES, "virtual-service-ratings-test-abort.yaml"], &sidecar).unwrap();
    assert_eq!(world::said(&abort.judge(&call(&jason), 1)), "500 FI");
    assert!(world::said(&abort.judge(&call(&[]), 1)).contains("|v1|"));
    let details = world(&[RULES, "fault-injection-details-v1.yaml"], &sidecar).unwrap();
    assert_eq!(details.get("0.0.0.0_9080", "details:9080", "/details/0", &[]), "555 FI");
}

#[test]
fn the_gateway_serves_the_page() {
    let gateway = world::gateway(Capabilities::PLAIN);
    let Some(world) = world(&["bookinfo-gateway.yaml"], &gateway) else { return };
    let cluster = "outbound|9080||productpage.default.svc.cluster.local";
    assert_eq!(world.get("0.0.0.0_8080", "localhost:8080", "/productpage", &[]), cluster);
    assert_eq!(world.get("0.0.0.0_8080", "localhost:8080", "/other", &[]), "404 NR");
}
