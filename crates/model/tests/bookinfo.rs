//! Bookinfo with the pods that its Deployments would make: our own short form of the files, and Istio's
//! where they are at hand.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod text;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use text::{pod, said};
use weft_api::{Code, Object};
use weft_model::{Labels, MeshConfig, Snapshot};

/// Our own files, and Istio's beside the repository if they are there.
fn samples() -> Vec<PathBuf> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    let istio = own.ancestors().nth(3).map(|root| root.join("shared/data/bookinfo"));
    let istio = istio.filter(|path| path.is_dir());
    std::iter::once(own.join("tests/fixtures/bookinfo")).chain(istio).collect()
}

fn read(path: &Path) -> Vec<Arc<Object>> {
    let text = std::fs::read_to_string(path).unwrap();
    let name = path.file_name().unwrap().to_string_lossy().into_owned();
    weft_api::decode(&text, &name).into_iter().filter_map(|decoded| decoded.object).map(Arc::new).collect()
}

/// The services of the sample, its pods, and a gateway's pod.
fn base(sample: &Path) -> Vec<Arc<Object>> {
    let mut objects = read(&sample.join("platform/kube/bookinfo.yaml"));
    let pods = [
        pod("default", "productpage", "v1", "10.0.0.1"),
        pod("default", "details", "v1", "10.0.0.2"),
        pod("default", "ratings", "v1", "10.0.0.3"),
        pod("default", "reviews", "v1", "10.0.0.4"),
        pod("default", "reviews", "v2", "10.0.0.5"),
        pod("default", "reviews", "v3", "10.0.0.6"),
        pod("istio-system", "gateway", "v1", "10.0.0.7").replace("{app:", "{istio: ingressgateway, app:"),
    ];
    objects.extend(text::objects(&pods.concat()));
    objects
}

fn with(sample: &Path, files: &[&str]) -> Snapshot {
    let mut objects = base(sample);
    for file in files {
        objects.extend(read(&sample.join("networking").join(file)));
    }
    Snapshot::build(&objects, &MeshConfig::default(), 1)
}

#[test]
fn the_services_and_their_subsets() {
    for sample in samples() {
        let mesh = with(
            &sample,
            &["bookinfo-gateway.yaml", "destination-rule-all.yaml", "virtual-service-all-v1.yaml"],
        );
        assert_eq!(mesh.services().count(), 4);
        let reviews = mesh.service("reviews.default.svc.cluster.local", "default").unwrap();
        assert_eq!(mesh.endpoints(reviews, 9080).len(), 3);
        let rule = mesh.destination_rule("default", &Labels::new(), reviews).unwrap();
        assert_eq!(rule.spec.subsets.len(), 3);
        assert_eq!(mesh.virtual_services_for_mesh("default").len(), 4);
        assert_eq!(mesh.virtual_services_for_gateway("default/bookinfo-gateway").len(), 1);
        let gateway = mesh.workload("istio-system", "gateway-v1").unwrap();
        assert_eq!(mesh.gateways_for("istio-system", &gateway.labels).len(), 1);
        let warnings: Vec<_> =
            mesh.diagnostics.iter().filter(|d| d.severity > weft_api::Severity::Info).collect();
        assert!(warnings.is_empty(), "{warnings:#?}");
        // The rule names subsets of pods that the plain sample does not start.
        assert!(!said(&mesh, Code::NoEndpoints).is_empty());
    }
}

#[test]
fn what_a_file_needs_and_is_not_there_is_said() {
    for sample in samples() {
        let cases = [
            ("virtual-service-ratings-mysql.yaml", Code::NoEndpoints, "subset v2-mysql"),
            ("virtual-service-ratings-mysql-vm.yaml", Code::NoEndpoints, "subset v2-mysql-vm"),
            ("virtual-service-ratings-db.yaml", Code::NoEndpoints, "subset v2"),
            ("virtual-service-details-v2.yaml", Code::NoEndpoints, "subset v2"),
            ("egress-rule-google-apis.yaml", Code::OutsideNeeded, "www.googleapis.com"),
        ];
        for (file, code, part) in cases {
            let mesh = with(&sample, &["destination-rule-all.yaml", file]);
            let said = said(&mesh, code);
            assert!(
                said.iter().any(|line| line.starts_with(file) && line.contains(part)),
                "{file}: {said:#?}"
            );
        }
    }
}

#[test]
fn without_rules_the_routes_subsets_are_unknown() {
    for sample in samples() {
        let mesh = with(&sample, &["virtual-service-all-v1.yaml"]);
        let said = said(&mesh, Code::UnknownSubset);
        assert_eq!(said.len(), 4, "{said:#?}");
        assert!(
            said.iter()
                .all(|line| line.contains("destination.subset: no DestinationRule defines subset v1 of"))
        );
    }
}

#[test]
fn every_file_stands_beside_the_base_without_harm() {
    for sample in samples() {
        let mut seen = 0;
        for entry in std::fs::read_dir(sample.join("networking")).unwrap() {
            let path = entry.unwrap().path();
            let mut objects = base(&sample);
            objects.extend(read(&path));
            let mesh = Snapshot::build(&objects, &MeshConfig::default(), 1);
            let of_kubernetes = mesh.services().filter(|service| !service.external).count();
            assert_eq!(of_kubernetes, 4, "{}", path.display());
            seen += 1;
        }
        assert!(seen > 0);
    }
}
